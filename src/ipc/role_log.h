/* ipc/role_log.h - the log of a role: master opens it, and hears of it when its receiver is gone */
#pragma once
#include "ipc/chan.h"

/* Handler of MSG_LOG, for the channel to master. */
enum err role_log_on_log(struct chan *c, struct msg *m, struct why *why);

/* From here on a log that is lost is told over the channel to master; NULL: no more. A process has one log. */
void role_log_tell(struct chan *master);
