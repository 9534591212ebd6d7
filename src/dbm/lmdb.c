/* dbm/lmdb.c - a file of LMDB, with PATH-lock beside it
 *
 * Readers see what was last committed and wait for nobody. Writers among us take turns by flock(2) on the file, since the
 * library would wait for ever; a writer of others holds its lock no longer than a transaction of its own takes. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/safety.h"
#include "dbm/driver.h"

enum { MAP_OCTETS = 1 << 28, READERS = 126 }; /* of addresses, not of memory; it doubles when it is full */

struct lmdb_priv {
	MDB_env *env;
	MDB_dbi dbi;
	size_t map;
	bool empty; /* there was no database in it yet, and it was opened for reading */
};

static enum err lmdb_failed(const struct dbm *db, int e, struct why *why)
{
	bool temporary =
		e == ENOSPC || e == EDQUOT || e == EIO || e == ENOMEM || e == MDB_READERS_FULL || e == MDB_MAP_FULL;

	return fail(why, temporary ? ERR_TEMP : ERR_PERM, "%s: %s", db->name.path, mdb_strerror(e));
}

static MDB_val val_of(struct slice text)
{
	return (MDB_val){text.n, (void *)text.p};
}

static struct slice slice_of(MDB_val v)
{
	return (struct slice){v.mv_data, v.mv_size};
}

/* Pages that a file says it has and does not have would kill us when they are read. */
static enum err is_whole(const struct dbm *db, MDB_env *env, int fd, struct why *why)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat st;
	int e = mdb_env_info(env, &info);

	e = e == 0 ? mdb_env_stat(env, &stat) : e;
	if (e != 0 || fstat(fd, &st) < 0)
		return lmdb_failed(db, e != 0 ? e : errno, why);
	if (stat.ms_psize == 0 || info.me_last_pgno >= (uint64_t)st.st_size / stat.ms_psize)
		return fail(why, ERR_PERM, "%s: the file is shorter than it says", db->name.path);
	return OK;
}

/* Starts a transaction; takes over the size that another process gave the map. */
static enum err txn_begin(struct dbm *db, unsigned flags, MDB_txn **txn, struct why *why)
{
	struct lmdb_priv *p = db->priv;
	int e = mdb_txn_begin(p->env, NULL, flags, txn);

	if (e == MDB_MAP_RESIZED) {
		e = mdb_env_set_mapsize(p->env, 0);
		e = e == 0 ? mdb_txn_begin(p->env, NULL, flags, txn) : e;
	}
	return e == 0 ? OK : lmdb_failed(db, e, why);
}

static enum err dbi_open(struct dbm *db, struct why *why)
{
	struct lmdb_priv *p = db->priv;
	MDB_txn *txn;
	enum err err = txn_begin(db, MDB_RDONLY, &txn, why); /* the nameless one is there in any case */
	int e = err == OK ? mdb_dbi_open(txn, NULL, 0, &p->dbi) : 0;

	if (err == OK && e != 0) {
		mdb_txn_abort(txn);
		return lmdb_failed(db, e, why);
	}
	e = err == OK ? mdb_txn_commit(txn) : 0;
	return err == OK && e != 0 ? lmdb_failed(db, e, why) : err;
}

/* Checks the file that the library has opened, not one that had its name before. */
static enum err env_open(struct dbm *db, struct why *why)
{
	struct lmdb_priv *p = db->priv;
	bool makes = db->how.use == DBM_MAKE && !dbm_is_there(&db->name);
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (db->how.use == DBM_READ ? MDB_RDONLY : 0);
	int fd, dead, e = mdb_env_set_mapsize(p->env, p->map);

	e = e == 0 ? mdb_env_set_maxreaders(p->env, READERS) : e;
	e = e == 0 ? mdb_env_open(p->env, db->name.path, flags, db->how.mode & 0777) : e;
	e = e == 0 ? mdb_env_get_fd(p->env, &fd) : e;
	if (e != 0)
		return lmdb_failed(db, e, why);
	if (makes && fchmod(fd, db->how.mode) < 0)
		return dbm_failed(db, "cannot be made", why);
	enum err err = safety_check(fd, db->name.path, db->name.checks, db->name.owner, why);

	if (err == OK)
		err = is_whole(db, p->env, fd, why);
	if (err == OK)
		err = dbi_open(db, why);
	(void)mdb_reader_check(p->env, &dead); /* of processes that were killed */
	return err;
}

static void lmdb_driver_close(struct dbm *db)
{
	struct lmdb_priv *p = db->priv;

	if (p->env)
		mdb_env_close(p->env);
	free(p);
}

/* The library makes a missing file even where nobody asked for one; and what is no regular file is not for it. */
static enum err before_open(const struct dbm *db, bool *empty, struct why *why)
{
	struct stat st;
	enum err err = OK;

	if (db->how.fd > 0)
		return fail(why, ERR_PERM, "%s: lmdb cannot be opened by a descriptor", db->name.path);
	if (db->how.use == DBM_MAKE && !dbm_is_there(&db->name))
		return OK;
	int fd = dbm_file_open(db, &err, why);

	if (fd < 0)
		return err;
	*empty = db->how.use == DBM_READ && fstat(fd, &st) == 0 && st.st_size == 0;
	close(fd);
	return OK;
}

static enum err lmdb_driver_open(struct dbm *db, struct why *why)
{
	struct lmdb_priv *p = calloc(1, sizeof *p);
	bool empty = false;

	db->priv = p;
	if (!p)
		return fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	enum err err = before_open(db, &empty, why);

	if (err != OK) {
		free(p);
		return err;
	}
	p->map = MAP_OCTETS;
	p->empty = empty;
	if (empty)
		return OK;
	err = mdb_env_create(&p->env) == 0 ? env_open(db, why) : fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	if (err != OK)
		lmdb_driver_close(db);
	return err;
}

static enum err lmdb_driver_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why)
{
	const struct lmdb_priv *p = db->priv;
	MDB_val k = val_of(key), v;
	MDB_txn *txn;
	enum err err = p->empty ? OK : txn_begin(db, MDB_RDONLY, &txn, why);

	if (err != OK || p->empty)
		return err;
	int e = mdb_get(txn, p->dbi, &k, &v);

	if (e == 0)
		err = dbm_take(db, slice_of(v), value, why);
	else if (e != MDB_NOTFOUND)
		err = lmdb_failed(db, e, why);
	*found = e == 0 && err == OK;
	mdb_txn_abort(txn);
	return err;
}

/* Others wait meanwhile. -1: they have it; ERR_IN_USE. */
static enum err turn_take(const struct dbm *db, int *fd, struct why *why)
{
	const struct lmdb_priv *p = db->priv;
	uint64_t deadline = dbm_deadline(db);

	if (mdb_env_get_fd(p->env, fd) != 0)
		return fail(why, ERR_TEMP, "%s: no descriptor", db->name.path);
	while (flock(*fd, LOCK_EX | LOCK_NB) < 0)
		if (errno != EWOULDBLOCK)
			return dbm_failed(db, "cannot be locked", why);
		else if (!dbm_pause(deadline))
			return fail(why, ERR_IN_USE, "%s: locked by another program", db->name.path);
	return OK;
}

/* Puts, or deletes where there is no value, in a transaction of its own. */
static int change(struct dbm *db, MDB_txn *txn, struct slice key, const struct slice *value)
{
	const struct lmdb_priv *p = db->priv;
	MDB_val k = val_of(key), v = value ? val_of(*value) : (MDB_val){0, NULL};
	int e = value ? mdb_put(txn, p->dbi, &k, &v, 0) : mdb_del(txn, p->dbi, &k, NULL);

	if (e == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return e;
}

static enum err change_once(struct dbm *db, struct slice key, const struct slice *value, int *result, struct why *why)
{
	MDB_txn *txn;
	enum err err = txn_begin(db, 0, &txn, why);

	*result = err == OK ? change(db, txn, key, value) : 0;
	return err;
}

static enum err change_in_turn(struct dbm *db, struct slice key, const struct slice *value, bool *found,
			       struct why *why)
{
	struct lmdb_priv *p = db->priv;
	int fd, e = 0;
	enum err err = turn_take(db, &fd, why);

	if (err != OK)
		return err;
	err = change_once(db, key, value, &e, why);
	if (e == MDB_MAP_FULL && mdb_env_set_mapsize(p->env, p->map * 2) == 0) {
		p->map *= 2;
		err = change_once(db, key, value, &e, why);
	}
	(void)flock(fd, LOCK_UN);
	*found = err == OK && e == 0;
	return err != OK || e == 0 || e == MDB_NOTFOUND ? err : lmdb_failed(db, e, why);
}

static enum err lmdb_driver_put(struct dbm *db, struct slice key, struct slice value, struct why *why)
{
	bool found;

	return change_in_turn(db, key, &value, &found, why);
}

static enum err lmdb_driver_delete(struct dbm *db, struct slice key, bool *found, struct why *why)
{
	return change_in_turn(db, key, NULL, found, why);
}

static enum err lmdb_driver_walk(struct dbm *db, enum err (*fn)(void *, struct slice, struct slice, struct why *),
				 void *arg, uint64_t *passed_over, struct why *why)
{
	const struct lmdb_priv *p = db->priv;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val k, v;
	enum err err = p->empty ? OK : txn_begin(db, MDB_RDONLY, &txn, why);

	if (err != OK || p->empty)
		return err;
	int e = mdb_cursor_open(txn, p->dbi, &cursor);

	if (e != 0) {
		mdb_txn_abort(txn);
		return lmdb_failed(db, e, why);
	}
	while (err == OK && (e = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		if (dbm_is_key(slice_of(k)) && dbm_is_value(slice_of(v)))
			err = fn(arg, slice_of(k), slice_of(v), why);
		else
			++*passed_over;
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return err != OK || e == MDB_NOTFOUND ? err : lmdb_failed(db, e, why);
}

/* A commit is durable. */
static enum err lmdb_driver_sync(struct dbm *db, struct why *why)
{
	(void)db;
	(void)why;
	return OK;
}

const struct dbm_driver dbm_lmdb = {
	.scheme = "lmdb",
	.open = lmdb_driver_open,
	.get = lmdb_driver_get,
	.put = lmdb_driver_put,
	.del = lmdb_driver_delete,
	.walk = lmdb_driver_walk,
	.sync = lmdb_driver_sync,
	.close = lmdb_driver_close,
};
