/* master/grant.h - a login for which auth has no free store worker: master finds or starts one, and passes the grant on */
#pragma once
#include "ipc/chan.h"

struct child;

enum err on_grant(struct chan *ch, struct msg *m, struct why *why);

/* The process of a store worker has ended (child_end): its place is free, or its owner's until another one may be tried. */
void worker_ended(struct child *c);
