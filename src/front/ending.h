/* front/ending.h - how a session ended, as a status to exit with: inetd mode serves one client, and tells so */
#pragma once
#include "front/session.h"

/* One of sysexits.h. */
int session_status(const struct session *s);
