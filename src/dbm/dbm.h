/* dbm/dbm.h - key-value files of the administrator: login times, numbers of bulletins, secrets of APOP
 *
 * A name is one of
 *	/path			gdbm, as in Mailutils
 *	SCHEME:///path		gdbm, lmdb, text; bdb where its module is installed
 * each perhaps with checks behind it, ";none" or ";-grdfil;owner=daemon": what must hold of the file before it is trusted.
 *
 * Keys and values are text: no NUL, keys up to KEY_MOST octets and values up to VALUE_MOST. What a file holds besides is an
 * error to get and is passed over by walk.
 *
 * A handle belongs to one process, which has the file open once at a time, and not across fork. Several processes may use a file:
 *	gdbm, bdb, text	an open handle is a lock of the whole file: any number of readers, or one writer. So: open, do it, close.
 *	lmdb		readers wait for nobody; a put or a delete has the file to itself, and a handle may stay open.
 * Nobody waits longer than `wait_ms`; then it is ERR_IN_USE.
 *
 * What holds when a process is killed at any moment: lmdb, text, gdbm: the file is as before the put or as after it. For gdbm that is done by a
 * note beside the file (dbm/undo.h), so it holds where files can be made in its directory, and for what we write; another program that is killed
 * may leave a damaged file, as ever. bdb: nothing holds, keep no new files in it. When the power fails: lmdb, each put is durable; text: what was there at the
 * last dbm_sync; gdbm: that, if nothing was being put.
 *
 * Errors: ERR_TEMP, trying again can help; ERR_IN_USE, another has it locked; ERR_PERM, somebody has to do something. */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "base/why.h"
#include "conf/conf.h"

enum { DBM_KEY_MOST = 511, DBM_VALUE_MOST = 4096 }; /* octets */

/* What login times and numbers of bulletins are checked for: their group may read and write them. */
enum { DBM_CHECKS_SHARED = CHECK_AWRFIL | CHECK_ARDFIL | CHECK_LINKWRDIR | CHECK_GWRDIR | CHECK_AWRDIR };

struct dbm_driver;
struct dbm;

struct dbm_name {
	const struct dbm_driver *driver;
	char path[PATH_MAX];
	unsigned checks; /* of enum conf_check */
	uid_t owner;     /* for CHECK_OWNER */
};

/* Reads a name; checks and owner are those that hold where it does not say otherwise. Loads the module of its scheme, so it
 * is to be called before a process is confined. ERR_PERM: there is no such scheme, module or check. */
enum err dbm_name_read(struct slice text, unsigned checks, uid_t owner, struct dbm_name *out, struct why *why);

/* "gdbm", ... */
const char *dbm_scheme(const struct dbm_name *name);

/* The schemes that can be used, with blanks between them. */
void dbm_schemes(char *dst, size_t cap);

/* Whether there is a file; one that cannot be seen is there. */
bool dbm_is_there(const struct dbm_name *name);

enum dbm_use {
	DBM_READ,
	DBM_WRITE, /* read and write a file that is there */
	DBM_MAKE, /* the same, and it is made, with `mode`, where it is not; a crash leaves a whole empty one or none */
};

struct dbm_how {
	enum dbm_use use;
	mode_t mode;      /* as chmod(2) takes it: the umask does not count */
	uint32_t wait_ms; /* for a lock; 0: not at all. A process that serves others says 0 and comes again */
	int fd; /* gdbm and text, DBM_READ or DBM_WRITE: this descriptor is opened anew by its path in /proc and used instead of the name's
		 * path, whose file somebody with more rights has opened; it stays the caller's. 0: the path */
};

/* Opens a file and makes its checks on what was opened: "PATH: Group readable file". An empty file is an empty database. The handle
 * keeps a copy of the name. */
enum err dbm_open(struct dbm **db, const struct dbm_name *name, const struct dbm_how *how, struct why *why);

/* The value of a key, behind what `value` holds. Without the key: OK, and *found is false. */
enum err dbm_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why);

/* Adds or replaces a record. */
enum err dbm_put(struct dbm *db, struct slice key, struct slice value, struct why *why);

/* Without the key: OK, and *found is false. */
enum err dbm_delete(struct dbm *db, struct slice key, bool *found, struct why *why);

/* Calls fn for every record, in the file's order, until it returns something else than OK, which is returned. It must not change the
 * file. In a text file a key may stand in several lines: the last one counts, and all are walked through, in their order.
 * *passed_over (or NULL): records and lines that are none. */
enum err dbm_walk(struct dbm *db, enum err (*fn)(void *arg, struct slice key, struct slice value, struct why *why),
		  void *arg, uint64_t *passed_over, struct why *why);

/* All that was put is on the disk. A text file is written by this alone. */
enum err dbm_sync(struct dbm *db, struct why *why);

/* Lets the file go. NULL is fine. */
void dbm_close(struct dbm *db);
