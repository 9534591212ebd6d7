/* store/replay.h - what a process that died in the middle of a change in place has left is brought to its end
 *
 * Before anybody is served: all journals of the owner when a worker starts (and when it has a channel to the locker, where one is needed), and
 * that of a mailbox when it is opened. Under the mailbox lock,
 * whose NAME.lock the journal bequeaths; a process that lives and is at it holds the kernel's lock on the file, and is left alone.
 *
 * A journal that is damaged, or whose file is another one by now, or of which processes die again and again, is set aside with a line in the log: never applied, never deleted. One
 * that cannot be replayed for other reasons (its directory is not mounted, the disk fails) stays for the next attempt. */
#pragma once
#include "store/maildrop.h"

/* The journal of this file, if there is one. OK: the file may be used. ERR_IN_USE: another program has its lock. */
enum err replay_file(const struct maildrop_setup *setup, int fd, struct why *why);

/* All that can be. What cannot is told in the log. */
void replay_all(const struct maildrop_setup *setup);
