/* dbm/mod_bdb.c - the module for files of Berkeley DB: hashes, as Mailutils makes them, and whatever else is there
 *
 * Without an environment the library locks nothing, so the file is locked by flock(2); and it promises nothing when a process is
 * killed while it writes. */
#include <db.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbm/driver.h"

extern const struct dbm_driver dbm_module;

struct bdb_priv {
	int fd; /* with the lock */
	DB *db; /* NULL: it is empty, and opened for reading */
};

static enum err bdb_failed(const struct dbm *db, int e, struct why *why)
{
	if (e > 0) {
		errno = e;
		return dbm_failed(db, "Berkeley DB", why);
	}
	return fail(why, ERR_PERM, "%s: %s", db->name.path, db_strerror(e));
}

static DBT dbt_of(struct slice text)
{
	DBT d = {0};

	d.data = (void *)text.p;
	d.size = (u_int32_t)text.n;
	return d;
}

static struct slice slice_of(const DBT *d)
{
	return (struct slice){d->data, d->size};
}

/* It would write to standard error otherwise. */
static void on_message(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static enum err library_open(const struct dbm *db, struct bdb_priv *p, const char *path, bool fresh, struct why *why)
{
	u_int32_t flags = fresh ? DB_CREATE | DB_TRUNCATE : db->how.use == DBM_READ ? DB_RDONLY : 0;
	DB *lib = NULL;
	int e = db_create(&lib, NULL, 0);

	if (e != 0 || !lib)
		return bdb_failed(db, e, why);
	lib->set_errcall(lib, on_message);
	e = lib->open(lib, NULL, path, NULL, fresh ? DB_HASH : DB_UNKNOWN, flags, (int)db->how.mode);
	if (e != 0) {
		(void)lib->close(lib, DB_NOSYNC);
		return bdb_failed(db, e, why);
	}
	p->db = lib;
	return OK;
}

/* Made beside, with all that an empty one has, and given its name then. */
static enum err file_make(const struct dbm *db, struct why *why)
{
	struct bdb_priv made = {.fd = -1};
	char temp[PATH_MAX];
	int fd = dbm_file_beside(db, temp, why);
	enum err err = fd >= 0 ? library_open(db, &made, temp, true, why) : ERR_PERM;

	if (fd < 0)
		return err;
	if (err == OK && made.db) {
		int e = made.db->close(made.db, 0);

		err = e == 0 ? OK : bdb_failed(db, e, why);
	}
	if (err == OK && link(temp, db->name.path) < 0 && errno != EEXIST)
		err = dbm_failed(db, "cannot be made", why);
	(void)unlink(temp);
	close(fd);
	return err;
}

static void bdb_close(struct dbm *db)
{
	struct bdb_priv *p = db->priv;

	if (p->db)
		(void)p->db->close(p->db, 0); /* dbm_sync tells whether what was put is durable */
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static enum err bdb_open(struct dbm *db, struct why *why)
{
	struct bdb_priv *p = calloc(1, sizeof *p);
	struct stat st;
	enum err err = OK;

	db->priv = p;
	if (!p)
		return fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	p->fd = -1;
	if (db->how.fd > 0)
		err = fail(why, ERR_PERM, "%s: bdb cannot be opened by a descriptor", db->name.path);
	if (err == OK && db->how.use == DBM_MAKE && !dbm_is_there(&db->name))
		err = file_make(db, why);
	if (err == OK)
		p->fd = dbm_file_lock(db, &err, why);
	if (err == OK && fstat(p->fd, &st) < 0)
		err = dbm_failed(db, "cannot be read", why);
	if (err == OK && (st.st_size > 0 || db->how.use != DBM_READ))
		err = library_open(db, p, db->name.path, st.st_size == 0, why);
	if (err != OK)
		bdb_close(db);
	return err;
}

static enum err bdb_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why)
{
	const struct bdb_priv *p = db->priv;
	DBT k = dbt_of(key), v = {0};
	int e = p->db ? p->db->get(p->db, NULL, &k, &v, 0) : DB_NOTFOUND;

	if (e == DB_NOTFOUND)
		return OK;
	if (e != 0)
		return bdb_failed(db, e, why);
	enum err err = dbm_take(db, slice_of(&v), value, why);

	*found = err == OK;
	return err;
}

/* Written at once: what is left in the library's memory is lost with the process. */
static enum err write_out(struct dbm *db, int e, struct why *why)
{
	const struct bdb_priv *p = db->priv;

	e = e == 0 ? p->db->sync(p->db, 0) : e;
	return e == 0 ? OK : bdb_failed(db, e, why);
}

static enum err bdb_put(struct dbm *db, struct slice key, struct slice value, struct why *why)
{
	const struct bdb_priv *p = db->priv;
	DBT k = dbt_of(key), v = dbt_of(value);

	return write_out(db, p->db->put(p->db, NULL, &k, &v, 0), why);
}

static enum err bdb_delete(struct dbm *db, struct slice key, bool *found, struct why *why)
{
	const struct bdb_priv *p = db->priv;
	DBT k = dbt_of(key);
	int e = p->db->del(p->db, NULL, &k, 0);

	if (e == DB_NOTFOUND)
		return OK;
	*found = e == 0;
	return write_out(db, e, why);
}

static enum err bdb_walk(struct dbm *db, enum err (*fn)(void *, struct slice, struct slice, struct why *), void *arg,
			 uint64_t *passed_over, struct why *why)
{
	const struct bdb_priv *p = db->priv;
	DBC *cursor;
	DBT k = {0}, v = {0};
	enum err err = OK;
	int e = p->db ? p->db->cursor(p->db, NULL, &cursor, 0) : DB_NOTFOUND;

	if (e != 0)
		return e == DB_NOTFOUND ? OK : bdb_failed(db, e, why);
	while (err == OK && (e = cursor->get(cursor, &k, &v, DB_NEXT)) == 0) {
		if (dbm_is_key(slice_of(&k)) && dbm_is_value(slice_of(&v)))
			err = fn(arg, slice_of(&k), slice_of(&v), why);
		else
			++*passed_over;
	}
	(void)cursor->close(cursor);
	return err != OK || e == DB_NOTFOUND ? err : bdb_failed(db, e, why);
}

static enum err bdb_sync(struct dbm *db, struct why *why)
{
	return write_out(db, 0, why);
}

const struct dbm_driver dbm_module = {
	.scheme = "bdb",
	.open = bdb_open,
	.get = bdb_get,
	.put = bdb_put,
	.del = bdb_delete,
	.walk = bdb_walk,
	.sync = bdb_sync,
	.close = bdb_close,
};
