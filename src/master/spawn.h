/* master/spawn.h - a new process for a role: forked, stripped, confined, and on its way */
#pragma once
#include "master/master.h"

/* Starts a process in this place (child->pid is 0; for store, child->owner says for whom). After OK, pid, serial and the
 * channel are the new one's. */
enum err spawn(struct child *child, const struct chan_ops *ops, struct why *why);
