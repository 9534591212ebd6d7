/* master/paths.h - the daemon's own directories
 *
 *	run time	/run/pop3d, or runtime-dir
 *		empty/		the root directory of front and hash
 *		session/UID	session locks, a file per owner of mail
 *		session/logins	locked while it is decided who may log in (state/logins.h)
 *	cache		/var/cache/pop3d, or cache-dir, or the directory that `mailbox { index ...; }' names
 *		UID/		indexes of maildrops whose directory their owner may not write; his own, 0700
 *
 *	state		/var/lib/pop3d, or state-dir
 *		journal/UID/	journals of mailboxes that are being changed in place (store/journal.h); their owner's, 0700
 *			spare	space for one that is needed when the disk is full
 *		uidl/UID/	unique-ids that cannot be computed from the mail (store/uidl_file.h); their owner's, 0700
 *
 * Without root they are below $XDG_RUNTIME_DIR, $XDG_CACHE_HOME (~/.cache) and $XDG_STATE_HOME (~/.local/state), else below $TMPDIR or
 * /tmp in a directory with our uid in its name. Nothing is used that belongs to somebody else, or that others may write. */
#pragma once
#include <limits.h>
#include <stdbool.h>

#include "conf/conf.h"
#include "master/privs.h"

struct paths {
	char runtime[PATH_MAX], empty[PATH_MAX], cache[PATH_MAX], state[PATH_MAX];
	int session_dir, cache_dir; /* descriptors, owned; cache_dir -1: there is none, which costs speed only */
	int journal_dir;            /* likewise; -1: no mailbox is changed in place */
	int uidl_dir;               /* likewise; -1: unique-ids that cannot be computed are not kept */
};

/* Makes what is missing. A cache or a state that cannot be made is logged. After an error nothing is left open. */
enum err paths_open(struct paths *p, const struct conf *cf, struct why *why);
void paths_close(struct paths *p);

/* What a process that will ask for session files and directories of owners must not close; returns how many. */
enum { PATHS_FDS = 4 };
size_t paths_descriptors(const struct paths *p, int fds[static PATHS_FDS]);

/* This owner's file of session locks, opened anew, so that its locks are the caller's own; -1 after an error. */
int paths_session_file(const struct paths *p, uid_t uid, struct why *why);

/* `fd' is that file. Nothing is asked of the file system that it may lie in instead. */
bool paths_is_session_file(const struct paths *p, uid_t uid, int fd);

/* The file that processes of state lock (session/logins), opened anew; -1 after an error. */
int paths_state_lock(const struct paths *p, struct why *why);

/* This owner's directory in the cache, made where it is missing. False: there is none. */
bool paths_index_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why);

/* This owner's directory of unique-ids, made where it is missing. False: there is none. */
bool paths_uidl_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why);

/* This owner's directory of journals, made with its spare file where that is missing. False: there is none. */
bool paths_journal_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why);
