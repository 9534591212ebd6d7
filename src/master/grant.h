/* master/grant.h - a login for which auth has no free store worker: master finds or starts one, and passes the grant on */
#pragma once
#include "ipc/chan.h"

enum err on_grant(struct chan *ch, struct msg *m, struct why *why);
