/* dbm/gdbm.c - files of GNU dbm
 *
 * Read and written by read(2) and write(2), never mapped: a file that another program cuts off must not kill us. The library
 * locks the whole file by flock(2) for as long as it is open, as all programs that use it do, and so do we. A put may take several
 * writes; undo.h makes one of them.
 *
 * A record that is there is found, and its value replaced by one of the same length, without the library: by three reads, and one write
 * into its place. The library is opened for anything else, and from then on for all, since it remembers what it has read. */
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbm/driver.h"
#include "dbm/gdbm_layout.h"
#include "dbm/undo.h"

enum { KEY_KEPT = 512 }; /* octets of a key that is remembered; longer ones are not */

struct gdbm_priv {
	int fd;                    /* locked; -1: it is empty, and opened for reading */
	struct gdbm_header header; /* while the library is not open */
	GDBM_FILE file;            /* NULL: the library is not open */
	bool broken; /* the library has given up in the middle of a call: nothing of it may be called for this file again */
	/* What was fetched last: nobody else changes the file while it is open. */
	char key[KEY_KEPT];
	size_t key_octets, value_octets; /* key_octets 0: nothing */
	int64_t value_at;                /* where the value stands, if the library is not open */
};

/* Where the library would end our process, it goes on here. */
static jmp_buf after_fatal;

static void on_fatal(const char *text)
{
	(void)text;
	longjmp(after_fatal, 1);
}

static datum datum_of(struct slice text)
{
	return (datum){(char *)text.p, (int)text.n};
}

/* What went wrong last. A file that is damaged stays so. */
static enum err gdbm_failed(const struct dbm *db, GDBM_FILE file, const char *what, struct why *why)
{
	gdbm_error e = file ? gdbm_last_errno(file) : gdbm_errno;
	int sys = file ? gdbm_last_syserr(file) : errno;

	if (gdbm_check_syserr(e) && sys != 0) {
		errno = sys;
		return dbm_failed(db, what, why);
	}
	return fail(why, e == GDBM_MALLOC_ERROR ? ERR_TEMP : ERR_PERM, "%s: %s: %s", db->name.path, what,
		    gdbm_strerror(e));
}

/* NULL after an error. */
static GDBM_FILE file_open(int fd, const char *path, int how)
{
	if (setjmp(after_fatal) == 0)
		return gdbm_fd_open(fd, path, 0, how | GDBM_NOMMAP | GDBM_CLOEXEC, on_fatal);
	return NULL;
}

enum call { FETCH, STORE, DELETE, FIRST, NEXT, SYNC, CLOSE };

static int call_now(GDBM_FILE file, enum call call, datum key, datum value, datum *out)
{
	switch (call) {
	case FETCH:
		*out = gdbm_fetch(file, key);
		return out->dptr ? 0 : -1;
	case STORE:
		return gdbm_store(file, key, value, GDBM_REPLACE);
	case DELETE:
		return gdbm_delete(file, key);
	case FIRST:
		*out = gdbm_firstkey(file);
		return out->dptr ? 0 : -1;
	case NEXT:
		*out = gdbm_nextkey(file, key);
		return out->dptr ? 0 : -1;
	case SYNC:
		return gdbm_sync(file);
	case CLOSE:
		return gdbm_close(file);
	}
	return -1;
}

/* Calls the library; false after an error, also one that it takes for the end of the world. */
static bool call(struct gdbm_priv *p, enum call what, datum key, datum value, datum *out)
{
	if (p->broken)
		return false;
	if (setjmp(after_fatal) == 0)
		return call_now(p->file, what, key, value, out) == 0;
	p->broken = true;
	return false;
}

static const datum nothing = {NULL, 0};

/* After a call that failed: whether there is no such record, and nothing else. */
static bool is_not_found(struct gdbm_priv *p)
{
	if (p->broken || gdbm_last_errno(p->file) != GDBM_ITEM_NOT_FOUND)
		return false;
	gdbm_clear_error(p->file);
	return true;
}

/* What its memory holds is lost then. */
static void file_close(struct gdbm_priv *p)
{
	if (p->fd >= 0 && (p->broken || !p->file))
		close(p->fd);
	else if (p->file)
		(void)call(p, CLOSE, nothing, nothing,
			   NULL); /* what was put is written; dbm_sync tells whether it is durable */
}

/* Makes an empty database beside the path, and gives it that name unless there is one by now. */
static enum err file_make(const struct dbm *db, struct why *why)
{
	char temp[PATH_MAX];
	int fd = dbm_file_beside(db, temp, why);
	enum err err = OK;

	if (fd < 0)
		return errno == EACCES || errno == EROFS || errno == ENOENT ? ERR_PERM : ERR_TEMP;
	GDBM_FILE file = file_open(fd, temp, GDBM_NEWDB);

	if (!file) {
		err = gdbm_failed(db, NULL, "cannot be made", why);
		close(fd);
	} else if (gdbm_close(file) != 0) {
		err = gdbm_failed(db, NULL, "cannot be made", why);
	} else if (link(temp, db->name.path) < 0 && errno != EEXIST) {
		err = dbm_failed(db, "cannot be made", why);
	}
	(void)unlink(temp);
	return err;
}

/* What the library would lock it by, so that it is locked before that is opened. ERR_IN_USE: others have it. */
static enum err lock(const struct dbm *db, int fd, struct why *why)
{
	if (flock(fd, (db->how.use == DBM_READ ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return OK;
	return errno == EWOULDBLOCK ? fail(why, ERR_IN_USE, "%s: locked by another program", db->name.path)
				    : dbm_failed(db, "cannot be locked", why);
}

/* Undoes a put that was cut off, under the lock. Who may only read cannot, and goes on with what there is. */
static enum err recover(const struct dbm *db, int fd, struct why *why)
{
	struct dbm writer = *db;
	enum err err = OK;

	if (db->how.use != DBM_READ)
		return undo_apply(db, fd, why);
	if (!undo_is_there(db))
		return OK;
	writer.how.use = DBM_WRITE;
	int own = dbm_file_open(&writer, &err, NULL);

	if (own >= 0 && flock(own, LOCK_EX | LOCK_NB) == 0)
		(void)undo_apply(&writer, own, NULL);
	if (own >= 0)
		close(own);
	return OK;
}

/* From here on all goes through it. */
static enum err library_open(const struct dbm *db, struct gdbm_priv *p, struct why *why)
{
	if (p->file)
		return OK;
	p->key_octets = 0;
	p->file = file_open(p->fd, db->name.path, db->how.use == DBM_READ ? GDBM_READER : GDBM_WRCREAT);
	return p->file ? OK : gdbm_failed(db, NULL, "cannot be opened", why);
}

static enum err open_locked(const struct dbm *db, struct gdbm_priv *p, struct why *why)
{
	struct stat st;

	if (!dbm_is_current(db, p->fd))
		return fail(why, ERR_IN_USE, "%s: was replaced", db->name.path);
	if (gdbm_read_at(p->fd, &p->header, sizeof p->header, 0) && gdbm_is_known(&p->header))
		return OK;
	if (db->how.use != DBM_READ || fstat(p->fd, &st) < 0 || st.st_size > 0)
		return library_open(db, p, why);
	close(p->fd);
	p->fd = -1;
	return OK;
}

/* Opens it once. ERR_IN_USE: it is locked, or was replaced meanwhile. */
static enum err try_open(struct dbm *db, struct gdbm_priv *p, struct why *why)
{
	enum err err;

	p->fd = dbm_file_open(db, &err, why);
	if (p->fd < 0)
		return err;
	if (db->how.use == DBM_READ)
		err = recover(db, p->fd, why); /* by a lock of its own */
	if (err == OK)
		err = lock(db, p->fd, why);
	if (err == OK && db->how.use != DBM_READ)
		err = recover(db, p->fd, why);
	if (err == OK)
		err = open_locked(db, p, why);
	if (err != OK)
		close(p->fd);
	return err;
}

static enum err gdbm_driver_open(struct dbm *db, struct why *why)
{
	struct gdbm_priv *p = calloc(1, sizeof *p);
	uint64_t deadline = dbm_deadline(db);
	enum err err = OK;

	if (!p)
		return fail(why, ERR_TEMP, "%s: no memory", db->name.path);
	if (db->how.use == DBM_MAKE && !dbm_is_there(&db->name))
		err = file_make(db, why);
	if (err == OK) {
		do
			err = try_open(db, p, why);
		while (err == ERR_IN_USE && dbm_pause(deadline));
	}
	if (err != OK) {
		free(p);
		return err;
	}
	db->priv = p;
	return OK;
}

static void remember(struct gdbm_priv *p, struct slice key, size_t value_octets)
{
	p->key_octets = key.n <= KEY_KEPT ? key.n : 0;
	p->value_octets = value_octets;
	memcpy(p->key, key.p, p->key_octets);
}

/* The record is there, and its value gets one of the same length: a single write into its place, which needs no note. */
static bool fits(const struct gdbm_priv *p, struct slice key, const struct slice *value)
{
	return value && key.n > 0 && value->n == p->value_octets &&
	       slice_eq(key, (struct slice){p->key, p->key_octets});
}

/* Without the library. False: that has to look. */
static bool find(const struct dbm *db, struct gdbm_priv *p, struct slice key, struct buf *value, bool *found,
		 enum err *err, struct why *why)
{
	static struct gdbm_place place;

	if (p->file || p->broken || !gdbm_place_find(p->fd, &p->header, key, &place))
		return false;
	*err = dbm_take(db, (struct slice){place.text + key.n, place.value_octets}, value, why);
	remember(p, key, place.value_octets);
	p->value_at = place.value_at;
	explicit_bzero(&place, sizeof place);
	*found = *err == OK;
	return true;
}

static enum err gdbm_driver_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why)
{
	struct gdbm_priv *p = db->priv;
	datum d = nothing;
	enum err err = OK;

	if (p->fd < 0 || find(db, p, key, value, found, &err, why))
		return err;
	err = library_open(db, p, why);
	if (err != OK || (!call(p, FETCH, datum_of(key), nothing, &d) && is_not_found(p)))
		return err;
	if (!d.dptr)
		return gdbm_failed(db, p->file, "cannot be read", why);
	err = dbm_take(db, (struct slice){d.dptr, (size_t)d.dsize}, value, why);
	remember(p, key, (size_t)d.dsize);
	explicit_bzero(d.dptr, (size_t)d.dsize);
	free(d.dptr);
	*found = err == OK;
	return err;
}

/* What fits is written where the old value stands. */
static enum err replace(const struct dbm *db, struct gdbm_priv *p, const struct slice *value, struct why *why)
{
	ssize_t n = pwrite(p->fd, value->p, value->n, p->value_at);

	if (n == (ssize_t)value->n)
		return OK;
	p->broken = true;
	errno = n < 0 ? errno : ENOSPC;
	return dbm_failed(db, "cannot be written", why);
}

/* A change that can be undone. One that has failed is, by whoever opens the file next: this handle is not used any more. */
static enum err change(struct dbm *db, enum call what, struct slice key, const struct slice *value, bool *found,
		       struct why *why)
{
	struct gdbm_priv *p = db->priv;
	bool noted = false, in_place = fits(p, key, value);

	if (p->broken)
		return fail(why, ERR_TEMP, "%s: a change has failed before", db->name.path);
	if (in_place && !p->file)
		return replace(db, p, value, why);
	enum err err = library_open(db, p, why);

	if (err == OK && !in_place)
		err = undo_note(db, p->fd, key, value, &noted, why);
	p->key_octets = 0;
	if (err != OK)
		return err;
	*found = call(p, what, datum_of(key), value ? datum_of(*value) : nothing, NULL);
	if (!*found && !is_not_found(p)) {
		err = gdbm_failed(db, p->file, "cannot be written", why);
		p->broken = true;
		return err;
	}
	if (noted)
		undo_forget(db);
	return OK;
}

static enum err gdbm_driver_put(struct dbm *db, struct slice key, struct slice value, struct why *why)
{
	bool found;

	return change(db, STORE, key, &value, &found, why);
}

static enum err gdbm_driver_delete(struct dbm *db, struct slice key, bool *found, struct why *why)
{
	return change(db, DELETE, key, NULL, found, why);
}

/* A record of a walk: its value is fetched, and both are handed on. */
static enum err walk_one(struct dbm *db, enum err (*fn)(void *, struct slice, struct slice, struct why *), void *arg,
			 datum k, uint64_t *passed_over, struct why *why)
{
	struct slice key = {k.dptr, (size_t)k.dsize}, value;
	enum err err = OK;
	datum v = nothing;

	if (!call(db->priv, FETCH, k, nothing, &v))
		return gdbm_failed(db, ((struct gdbm_priv *)db->priv)->file, "cannot be read", why);
	value = (struct slice){v.dptr, (size_t)v.dsize};
	if (dbm_is_key(key) && dbm_is_value(value))
		err = fn(arg, key, value, why);
	else
		++*passed_over;
	explicit_bzero(v.dptr, (size_t)v.dsize);
	free(v.dptr);
	return err;
}

static enum err gdbm_driver_walk(struct dbm *db, enum err (*fn)(void *, struct slice, struct slice, struct why *),
				 void *arg, uint64_t *passed_over, struct why *why)
{
	struct gdbm_priv *p = db->priv;
	datum k = nothing, next;

	if (p->fd < 0)
		return OK;
	enum err err = library_open(db, p, why);

	if (err != OK)
		return err;
	bool more = call(p, FIRST, nothing, nothing, &k);

	while (more && err == OK) {
		err = walk_one(db, fn, arg, k, passed_over, why);
		next = nothing;
		more = err == OK && call(p, NEXT, k, nothing, &next);
		free(k.dptr);
		k = next;
	}
	return err != OK || is_not_found(p) ? err : gdbm_failed(db, p->file, "cannot be read", why);
}

static enum err gdbm_driver_sync(struct dbm *db, struct why *why)
{
	struct gdbm_priv *p = db->priv;

	if (!p->file && !p->broken)
		return fsync(p->fd) == 0 ? OK : dbm_failed(db, "cannot be written", why);
	return call(p, SYNC, nothing, nothing, NULL) ? OK : gdbm_failed(db, p->file, "cannot be written", why);
}

static void gdbm_driver_close(struct dbm *db)
{
	file_close(db->priv);
	free(db->priv);
}

const struct dbm_driver dbm_gdbm = {
	.scheme = "gdbm",
	.open = gdbm_driver_open,
	.get = gdbm_driver_get,
	.put = gdbm_driver_put,
	.del = gdbm_driver_delete,
	.walk = gdbm_driver_walk,
	.sync = gdbm_driver_sync,
	.close = gdbm_driver_close,
};
