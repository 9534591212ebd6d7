/* store/mailutils_lock.h - the lock that a session of Mailutils' pop3d holds from login to QUIT
 *
 * For mailboxes in one file it is NAME.lock with the number of its process (mail/dotlock.h); for all others, and where it locks by no file, it is a file
 * of one directory (`lock-directory' of its block `mandatory-locking'), which is called as the whole path of the mailbox. With `enable yes' there we
 * make such a file, too, where the mailbox has no lock beside it. */
#pragma once
#include <limits.h>

#include "mail/dotlock.h"

/* ERR_IN_USE: a session of Mailutils' pop3d, whose process runs, has the mailbox. `dir`: NULL, or not there: none has. */
enum err mailutils_lock_look(const char *dir, const char *mailbox, struct why *why);

/* Where such a session has, or had, its file. False: there can be none. */
bool mailutils_lock_path(const char *dir, const char *mailbox, char path[static PATH_MAX]);

/* Makes the file of this mailbox in `dir`, with the number of this process. ERR_IN_USE: somebody has it; ERR_PERM: it cannot be made there. */
enum err mailutils_lock_take(struct dotlock *l, int dir, const char *mailbox, const struct dotlock_rules *rules,
			     struct why *why);

/* One that is not held: nothing happens. That another program has taken it away is told in the log. */
void mailutils_lock_release(struct dotlock *l, int dir, const char *mailbox);
