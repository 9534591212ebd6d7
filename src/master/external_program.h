/* master/external_program.h - one run of the external locker: how it is called, as whom, and what its status means
 *
 *	LOCKER [-u] [-fEXP] [-rN] MBOX
 *
 * as Mailutils calls it: -u unlocks; -f where there is an expire-timeout, in seconds; -r where there is a retry-count. It runs as the owner
 * of the mail, without further groups, capabilities or a way to get any (set-id bits do not count: no_new_privs), without our environment
 * and descriptors, in / , and leads a process group of its own. Where the mailbox is a file of the owner in the spool of group mail, the
 * program has that group, and the owner's as a further one: then other processes of the owner, whose group is another, cannot take it over by
 * ptrace(2). */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/why.h"
#include "master/privs.h"

struct conf_locking;
struct master;

/* Its number, and that of its group; -1: it could not be started. */
pid_t external_program_start(const struct master *m, struct identity owner, const char *path, bool unlock,
			     struct why *why);

/* What a status of wait(2) means; the reasons are those of Mailutils. ERR_IN_USE: another program has the lock. *not_locked, of -u: there was none. */
enum err external_program_result(const struct conf_locking *conf, int status, bool *not_locked, struct why *why);
