/* store/maildrop_find.c - what a mailbox URL names: which driver, which directory and name. See maildrop.h */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/wire.h"
#include "store/kept.h"
#include "store/lock.h"
#include "store/maildrop_parts.h"
#include "store/replay.h"
#include "store/url.h"

enum { LINKS_MOST = 16 };

static const struct store_driver *const drivers[] = {&maildir_driver, &mh_driver, &dotmail_driver, &mbox_driver};
enum { DRIVERS = sizeof drivers / sizeof *drivers };

static const struct store_driver *driver_named(struct slice scheme)
{
	for (size_t i = 0; i < DRIVERS; i++)
		if (slice_eq(scheme, slice_str(drivers[i]->name)))
			return drivers[i];
	return NULL;
}

/* ---- the place of a maildrop in one file ---- */

/* What `path`, seen from directory `at`, says: the directory that it is in, and its name there. */
static enum err enter(struct maildrop *md, int at, const char *path, struct why *why)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	char dir[PATH_MAX];

	if (n + 2 > sizeof dir || strlen(slash ? slash + 1 : path) > NAME_OCTETS)
		return fail(why, ERR_PERM, "its path is too long");
	(void)snprintf(dir, sizeof dir, "%.*s", n > 0 ? (int)n : 1, slash ? path : ".");
	int parent = openat(at, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return fail_errno(why, storage_err(errno), "open its directory");
	char *name = strdup(slash ? slash + 1 : path);

	maildrop_leave(md);
	md->parent = parent;
	md->name = name;
	return name ? OK : fail(why, ERR_TEMP, "no memory");
}

/* A link that others could set leads nowhere. */
static enum err check_link(const struct maildrop *md, struct why *why)
{
	struct stat st;

	if (fstat(md->parent, &st) < 0)
		return fail_errno(why, ERR_TEMP, "stat the directory of its symbolic link");
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(why, ERR_PERM, "a symbolic link in a directory that others can write is not followed");
	return OK;
}

/* Follows symbolic links to the end, once and for all. */
static enum err locate(struct maildrop *md, struct why *why)
{
	enum err err = enter(md, AT_FDCWD, md->path, why);

	for (int links = 0; err == OK; links++) {
		char to[PATH_MAX];
		ssize_t n = readlinkat(md->parent, md->name, to, sizeof to - 1);

		if (n < 0 && (errno == EINVAL || errno == ENOENT)) /* no link, or nothing */
			break;
		if (n < 0)
			return fail_errno(why, storage_err(errno), "read a symbolic link");
		if (links == LINKS_MOST)
			return fail(why, ERR_PERM, "too many symbolic links");
		to[n] = '\0';
		err = check_link(md, why);
		if (err == OK)
			err = enter(md, md->parent, to, why);
	}
	return err;
}

void maildrop_leave(struct maildrop *md)
{
	if (md->parent >= 0)
		close(md->parent);
	md->parent = -1;
	free(md->name);
	md->name = NULL;
}

enum err maildrop_reopen(struct maildrop *md, struct why *why)
{
	struct stat st;

	md->keepable = false;
	if (md->fd >= 0)
		close(md->fd);
	md->fd = openat(md->parent, md->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (md->fd < 0 && errno == ENOENT)
		return OK;
	if (md->fd < 0)
		return fail_errno(why, storage_err(errno), "open the mailbox for reading and writing");
	if (fstat(md->fd, &st) == 0 && S_ISREG(st.st_mode))
		return OK;
	close(md->fd);
	md->fd = -1;
	return fail(why, ERR_PERM, "it is not a regular file");
}

enum err maildrop_place(struct maildrop *md, struct why *why)
{
	enum err err = locate(md, why);

	return err == OK ? maildrop_reopen(md, why) : err;
}

/* ---- what is there ---- */

/* *st says what; an st_mode of 0: nothing. A directory stays as md->fd, for anything else there is a place. */
static enum err look(struct maildrop *md, struct stat *st, struct why *why)
{
	*st = (struct stat){0};
	md->fd = open(md->path, O_PATH | O_CLOEXEC);
	if (md->fd < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "open");
	if (md->fd >= 0 && fstat(md->fd, st) < 0)
		return fail_errno(why, ERR_TEMP, "stat");
	if (S_ISDIR(st->st_mode))
		return OK;
	if (md->fd >= 0 && !S_ISREG(st->st_mode))
		return fail(why, ERR_PERM, "it is neither a file nor a directory");
	enum err err = maildrop_place(md, why);

	if (err == OK &&
	    md->fd >=
		    0) { /* its beginning may not look like a mailbox; one that is busy may be seen to by maildrop_open */
		err = replay_file(md->setup, md->fd, why);
		err = err == ERR_IN_USE ? OK : err;
	}
	return err;
}

/* An empty file is what it is said to be. */
static const struct store_driver *empty_driver(const struct maildrop *md, const struct stat *st)
{
	const struct store_driver *d = driver_named(slice_str(md->setup->type));

	if (md->driver || md->fd < 0 || !S_ISREG(st->st_mode) || st->st_size > 0)
		return md->driver;
	return d && d->in_one_file ? d : &mbox_driver;
}

/* Whether what is there has the format of the driver, or of any where none is given; then md->driver says which. */
static enum err detect(struct maildrop *md, bool *is, struct why *why)
{
	int accuracy = md->driver ? ACCURACY_DEFAULT : md->setup->accuracy; /* who says a scheme is held to it */
	enum err err = OK;

	*is = false;
	for (size_t i = 0; i < DRIVERS && err == OK && !*is; i++) {
		if (md->driver && md->driver != drivers[i])
			continue;
		err = drivers[i]->detect(md->fd, accuracy, is, why);
		if (*is)
			md->driver = drivers[i];
	}
	return err;
}

/* Of the scheme's format, or of mailbox-type's, where there is nothing, or an empty directory. */
static enum err create(struct maildrop *md, const struct url *url, struct stat *st, struct why *why)
{
	bool any = url->scheme.n == 0 || slice_eq(url->scheme, SLICE("file"));
	struct slice type = any ? slice_str(md->setup->type) : url->scheme;

	if (!md->driver)
		md->driver = driver_named(type);
	if (!md->driver)
		return fail(why, ERR_TEMP, "it does not exist, and none of type %.*s can be created", (int)type.n,
			    type.p);
	if (!md->driver->create)
		return md->fd < 0 ? OK : fail(why, ERR_PERM, "it is a directory, and no mailbox of a known format");
	enum err err = md->driver->create(md->path, why);

	if (md->fd >= 0)
		close(md->fd); /* the empty directory that gave way */
	md->fd = err == OK ? open(md->path, O_PATH | O_CLOEXEC) : -1;
	if (err == OK && (md->fd < 0 || fstat(md->fd, st) < 0)) /* it was removed meanwhile */
		err = fail_errno(why, ERR_TEMP, "open");
	return err;
}

uint32_t maildrop_rules(const struct maildrop *md)
{
	uint32_t rules = md->driver->wire_rules;

	return rules & WIRE_UNQUOTE ? (rules & ~(uint32_t)WIRE_UNQUOTE) | md->setup->unquote : rules;
}

/* Of the directory, or of the name in its parent: the file that it names is another one after each rewriting. */
static enum err set_key(struct maildrop *md, const struct stat *st, struct why *why)
{
	struct stat parent;

	if (!md->driver->in_one_file) {
		maildrop_leave(md);
		md->dev = st->st_dev;
		md->ino = st->st_ino;
		md->key = lock_key(st->st_dev, st->st_ino);
		return OK;
	}
	if (fstat(md->parent, &parent) < 0)
		return fail_errno(why, ERR_TEMP, "stat its directory");
	md->key = lock_key_named(parent.st_dev, parent.st_ino, slice_str(md->name));
	return OK;
}

static enum err find(struct maildrop *md, const struct url *url, struct why *why)
{
	bool any = url->scheme.n == 0 || slice_eq(url->scheme, SLICE("file")), is = false;
	struct stat st;
	enum err err;

	md->driver = any ? NULL : driver_named(url->scheme);
	if (!any && !md->driver)
		return fail(why, ERR_PERM, "mailbox format %.*s is not known", (int)url->scheme.n, url->scheme.p);
	if ((err = look(md, &st, why)) != OK)
		return err;
	md->driver = empty_driver(md, &st);
	if (md->fd >= 0 && (err = detect(md, &is, why)) != OK)
		return err;
	if (!is && md->fd >= 0 && !S_ISDIR(st.st_mode))
		return why->text[0] ? ERR_PERM : fail(why, ERR_PERM, "it has no known mailbox format");
	if (!is && (err = create(md, url, &st, why)) != OK)
		return err;
	md->rules = maildrop_rules(md);
	return set_key(md, &st, why);
}

/* ---- a mailbox that is read only ---- */

static enum err look_source(struct maildrop *md, struct stat *st, struct why *why)
{
	md->fd = open(md->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (md->fd < 0 || fstat(md->fd, st) < 0)
		return fail_errno(why, storage_err(errno), "open");
	if (S_ISDIR(st->st_mode))
		return OK;
	enum err err =
		S_ISREG(st->st_mode) ? locate(md, why) : fail(why, ERR_PERM, "it is neither a file nor a directory");

	if (err != OK)
		return err;
	close(md->fd); /* another file may have taken its place */
	md->fd = openat(md->parent, md->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (md->fd < 0 || fstat(md->fd, st) < 0)
		return fail_errno(why, storage_err(errno), "open");
	return S_ISREG(st->st_mode) ? OK : fail(why, ERR_PERM, "it is not a regular file");
}

/* An empty directory is what its scheme says. */
static enum err find_source(struct maildrop *md, const struct url *url, struct why *why)
{
	bool any = url->scheme.n == 0 || slice_eq(url->scheme, SLICE("file")), is = false;
	struct stat st = {0};

	md->driver = any ? NULL : driver_named(url->scheme);
	if (!any && !md->driver)
		return fail(why, ERR_PERM, "mailbox format %.*s is not known", (int)url->scheme.n, url->scheme.p);
	enum err err = look_source(md, &st, why);

	if (err != OK)
		return err;
	md->driver = empty_driver(md, &st);
	err = detect(md, &is, why);
	if (err == OK && !is &&
	    (!md->driver || (st.st_size > 0 && !S_ISDIR(st.st_mode)) ||
	     S_ISDIR(st.st_mode) == (md->driver->in_one_file != NULL)))
		err = fail(why, ERR_PERM, "it has no known mailbox format");
	md->rules = md->driver ? maildrop_rules(md) : 0;
	return err;
}

enum err maildrop_find_source(struct maildrop *md, struct slice text, const struct maildrop_setup *setup,
			      struct why *why)
{
	struct url url;
	char path[PATH_MAX] = "";
	struct buf out = BUF(path);
	enum err err = url_parse(text, &url, why);

	*md = MAILDROP_CLOSED;
	md->setup = setup;
	if (err == OK)
		err = url_path(&url, &out, why);
	if (err != OK)
		return err;
	md->path = strdup(path);
	err = md->path ? find_source(md, &url, why) : fail(why, ERR_TEMP, "no memory");
	if (err != OK)
		maildrop_close(md);
	return err;
}

/* Mail that belongs to somebody else is what follows when users of virtual domains get a uid. */
void maildrop_advise(enum err err, struct why *why)
{
	size_t n = strlen(why->text);

	if (err == ERR_PERM && errno == EACCES)
		(void)snprintf(why->text + n, sizeof why->text - n, "; chown -R %u:%u may help", (unsigned)geteuid(),
			       (unsigned)getegid());
}

/* Whatever is remembered of it. */
enum err maildrop_find_cold(struct maildrop *md, struct slice text, const struct maildrop_setup *setup, struct why *why)
{
	struct url url;
	enum err err = url_parse(text, &url, why);

	*md = MAILDROP_CLOSED;
	md->setup = setup;
	if (err != OK)
		return err;
	char path[PATH_MAX] = "";
	struct buf out = BUF(path);

	err = url_path(&url, &out, why);
	if (err != OK)
		return err;
	md->url = strndup(text.p, text.n);
	md->path = strdup(path);
	errno = 0;
	why->text[0] = '\0';
	err = md->path && md->url ? find(md, &url, why) : fail(why, ERR_TEMP, "no memory");
	maildrop_advise(err, why);
	if (err != OK)
		maildrop_close(md);
	return err;
}

enum err maildrop_find(struct maildrop *md, struct slice text, const struct maildrop_setup *setup, struct why *why)
{
	return kept_take(md, text, setup) ? OK : maildrop_find_cold(md, text, setup, why);
}

void maildrop_drop(struct maildrop *md)
{
	if (md->driver && md->driver->close)
		md->driver->close(md);
	index_close(&md->index);
	if (md->fd >= 0)
		close(md->fd);
	maildrop_leave(md);
	free(md->records);
	free(md->path);
	free(md->url);
	md->fd = -1;
	md->records = NULL;
	md->path = md->url = NULL;
	md->warm = md->keepable = false;
}

void maildrop_close(struct maildrop *md)
{
	maildrop_let_go(md);
	if (md->reading.fd >= 0)
		close(md->reading.fd);
	if (md->marks >= 0)
		close(md->marks); /* nothing depends on it */
	free(md->retrieved);
	free(md->flagged);
	free(md->seen);
	md->retrieved = md->flagged = md->seen = NULL;
	md->retrieved_at = 0;
	md->reading.fd = md->marks = -1;
	if (!md->keepable || !kept_put(md))
		maildrop_drop(md);
}
