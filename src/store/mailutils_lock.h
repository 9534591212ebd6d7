/* store/mailutils_lock.h - the lock that a session of Mailutils' pop3d holds from login to QUIT
 *
 * For mailboxes in one file it is NAME.lock with the number of its process (mail/dotlock.h); for all others, and where it locks by no file, it is a file
 * of one directory (`lock-directory' of its block `mandatory-locking'), which is called as the whole path of the mailbox. Nothing
 * here makes or removes one. */
#pragma once
#include "base/why.h"

/* ERR_IN_USE: a session of Mailutils' pop3d, whose process runs, has the mailbox. `dir`: NULL, or not there: none has. */
enum err mailutils_lock_look(const char *dir, const char *mailbox, struct why *why);
