/* store/delivery.c - bulletins as files of their own. See delivery.h */
#include "store/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_OCTETS = NAME_OCTETS + 16, ATTEMPTS_MOST = 1000 };

static void made_path(const struct delivery_place *p, uint64_t id, char path[static PATH_OCTETS])
{
	(void)snprintf(path, PATH_OCTETS, "%s%s%016llx", p->made_dir, p->made, (unsigned long long)id);
}

static enum err sync_dir(const struct maildrop *md, const char *dir, struct why *why)
{
	int fd = openat(md->fd, dir[0] ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd >= 0 && fsync(fd) == 0 ? OK : fail_errno(why, storage_err(errno), "fsync the directory");

	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- a file ---- */

struct file {
	int fd;
	bool failed;
};

static void put(void *arg, struct slice octets)
{
	struct file *f = arg;

	while (!f->failed && octets.n > 0) {
		ssize_t n = write(f->fd, octets.p, octets.n);

		if (n < 0 && errno == EINTR)
			continue;
		f->failed = n <= 0;
		if (!f->failed)
			octets = (struct slice){octets.p + n, octets.n - (size_t)n};
	}
}

/* What an earlier attempt has left gives way. */
static enum err make(const struct maildrop *md, const struct delivery *d, uint32_t k, const struct delivery_place *p,
		     struct why *why)
{
	char path[PATH_OCTETS];
	uint64_t key;

	made_path(p, d->due->row[k].id, path);
	if (unlinkat(md->fd, path, 0) < 0 && errno != ENOENT)
		return fail_errno(why, storage_err(errno), "remove %s", path);
	struct file f = {.fd = openat(md->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
	const struct bulletin_form form = {.lines = DIGEST_PLAIN, .rules = p->rules, .put = put, .arg = &f};

	if (f.fd < 0)
		return fail_errno(why, storage_err(errno), "create %s", path);
	enum err err = bulletin_write(d->from, d->which[k], &form, &key, why);

	if (err == OK && (f.failed || fsync(f.fd) < 0))
		err = fail_errno(why, storage_err(errno), "write %s", path);
	if (close(f.fd) < 0 && err == OK)
		err = fail_errno(why, storage_err(errno), "write %s", path);
	return err;
}

/* ---- its place ---- */

struct linked {
	char name[NAME_OCTETS + 1];
};

static enum err give_place(const struct maildrop *md, uint64_t id, const struct delivery_place *p, struct linked *l,
			   struct why *why)
{
	char made[PATH_OCTETS], path[PATH_OCTETS];
	enum err err = OK;

	made_path(p, id, made);
	for (int i = 0; err == OK && i < ATTEMPTS_MOST; i++) {
		err = p->name(p->arg, l->name, why);
		(void)snprintf(path, sizeof path, "%s%s", p->dir, l->name);
		if (err == OK && linkat(md->fd, made, md->fd, path, 0) == 0)
			return OK;
		if (err == OK && errno != EEXIST)
			err = fail_errno(why, storage_err(errno), "create %s", path);
	}
	l->name[0] = '\0';
	return err != OK ? err : fail(why, ERR_TEMP, "no name is free for a new message");
}

/* What has got a place loses it: none is there. False: that is not certain. */
static bool take_back(const struct maildrop *md, const struct delivery_place *p, const struct linked *l, uint32_t n)
{
	char path[PATH_OCTETS];
	bool gone = true;

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof path, "%s%s", p->dir, l[i].name);
		gone = (!l[i].name[0] || unlinkat(md->fd, path, 0) == 0) && gone;
	}
	return sync_dir(md, p->dir, NULL) == OK && gone;
}

enum err delivery_by_link(const struct maildrop *md, const struct delivery *d, const struct delivery_place *p,
			  struct why *why)
{
	struct linked *l = calloc(d->count, sizeof *l);

	if (!l)
		return fail(why, ERR_TEMP, "no memory to deliver bulletins");
	enum err err = due_begin(d->due, why);

	for (uint32_t k = 0; err == OK && k < d->count; k++)
		if (!due_add(d->due, d->from->id[d->which[k]], 0))
			err = fail(why, ERR_TEMP, "no memory to deliver bulletins");
	if (err == OK)
		err = due_end(d->due, 0, 0, 0, why);
	if (err != OK) {
		due_remove(d->due);
		free(l);
		return err;
	}
	for (uint32_t k = 0; err == OK && k < d->count; k++)
		err = make(md, d, k, p, why);
	if (err == OK)
		err = sync_dir(md, p->made_dir, why); /* our names are there before others are */
	for (uint32_t k = 0; err == OK && k < d->count; k++)
		err = give_place(md, d->due->row[k].id, p, &l[k], why);
	if (err == OK)
		err = sync_dir(md, p->dir, why);
	if (err != OK && take_back(md, p, l, d->count)) {
		delivery_end_links(md, d->due, p);
		due_remove(d->due);
	}
	free(l);
	return err;
}

/* ---- an earlier one ---- */

enum err delivery_find_links(const struct maildrop *md, const struct due *due, const struct delivery_place *p,
			     bool in[], struct why *why)
{
	struct stat st;

	for (uint32_t i = 0; i < due->end.count; i++) {
		char path[PATH_OCTETS];

		made_path(p, due->row[i].id, path);
		in[i] = fstatat(md->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (!in[i] && errno != ENOENT)
			return fail_errno(why, storage_err(errno), "stat %s", path);
		in[i] = in[i] && S_ISREG(st.st_mode) && st.st_nlink > 1;
	}
	return OK;
}

void delivery_end_links(const struct maildrop *md, const struct due *due, const struct delivery_place *p)
{
	for (uint32_t i = 0; i < due->end.count; i++) {
		char path[PATH_OCTETS];

		made_path(p, due->row[i].id, path);
		(void)unlinkat(md->fd, path, 0); /* no mail; the next delivery of it replaces it */
	}
}
