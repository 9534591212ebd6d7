/* store/maildir.c - the Maildir driver: a file per message in new/ or cur/; tmp/ is the deliverers'
 *
 * Nothing is renamed or marked but where `update-flags' says so: new/ stays new/ for the programs that care. Entry.dir is an enum maildir_dir. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/maildrop.h"

static const char *const subdirs[] = {"tmp", "new", "cur"};

/* ---- what is a Maildir ---- */

static enum err maildir_detect(int fd, int accuracy, bool *is, struct why *why)
{
	struct stat st;

	(void)accuracy; /* of files */
	*is = true;
	for (size_t i = 0; i < sizeof subdirs / sizeof *subdirs && *is; i++) {
		*is = fstatat(fd, subdirs[i], &st, 0) == 0;
		if (!*is && errno != ENOENT && errno != ENOTDIR)
			return fail_errno(why, storage_err(errno), "%s/", subdirs[i]);
		*is = *is && S_ISDIR(st.st_mode);
	}
	return OK;
}

static enum err make_subdirs(const char *path, struct why *why)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 ? fail_errno(why, storage_err(errno), "open the new Maildir") : OK;

	for (size_t i = 0; err == OK && i < sizeof subdirs / sizeof *subdirs; i++)
		if (mkdirat(fd, subdirs[i], 0700) < 0)
			err = fail_errno(why, storage_err(errno), "create %s/ of the new Maildir", subdirs[i]);
	if (fd >= 0)
		close(fd);
	return err;
}

static void remove_made(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof subdirs / sizeof *subdirs; i++)
		(void)unlinkat(fd, subdirs[i], AT_REMOVEDIR); /* empty, and nobody's */
	if (fd >= 0)
		close(fd);
	(void)rmdir(path);
}

/* Made beside and renamed, so that nobody ever finds a part of it. An empty directory gives way; another does not. */
static enum err maildir_create(const char *path, struct why *why)
{
	char made[PATH_MAX];
	int n = snprintf(made, sizeof made, "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof made)
		return fail(why, ERR_PERM, "its path is too long");
	if (!mkdtemp(made))
		return fail_errno(why, storage_err(errno), "create a Maildir");
	enum err err = make_subdirs(made, why);

	if (err == OK && rename(made, path) == 0)
		return OK;
	if (err == OK && (errno == ENOTEMPTY || errno == EEXIST))
		err = fail(why, ERR_PERM, "it is not a Maildir, and not empty");
	else if (err == OK)
		err = fail_errno(why, storage_err(errno), "create a Maildir");
	remove_made(made);
	return err;
}

static enum err maildir_stamps(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why)
{
	return maildir_stamp(md->fd, stamp, why);
}

/* ---- a message that may have been renamed ---- */

enum err maildir_list_agreed(const struct maildrop *md, struct maildir_list *list, struct why *why)
{
	uint64_t fingerprint = 0;

	for (int pass = 0; pass < MAILDIR_PASSES_MOST; pass++) {
		maildir_list_done(list);
		enum err err = maildir_list_read(list, md->fd, why);

		if (err != OK || (pass > 0 && list->fingerprint == fingerprint))
			return err;
		fingerprint = list->fingerprint;
	}
	return fail(why, ERR_TEMP, "new/ and cur/ change all the time");
}

bool maildir_find_path(struct maildir_list *list, const struct message *m, struct maildir_path *path)
{
	struct maildir_name n;
	const struct found *end;

	maildir_name_parse(&n, slice_str(m->name));
	const struct found *f = maildir_list_find(list, &n, &end);

	while (f && f < end && f->ino != m->entry.id)
		f++;
	if (!f || f == end)
		return false;
	maildir_path(path, f->dir, maildir_list_name(list, f));
	return true;
}

/* Where mail readers put a message when they have seen it: found without reading directories. */
static int open_moved(const struct maildrop *md, const struct message *m, struct maildir_path *path)
{
	static const char *const flags[] = {":2,", ":2,S"};
	struct slice base = slice_str(m->name);
	const char *old = strstr(m->name, ":2,");
	int fd = -1;

	if (old)
		base.n = (size_t)(old - m->name);
	for (size_t i = 0; i < sizeof flags / sizeof *flags && fd < 0; i++) {
		char name[NAME_OCTETS];
		struct buf b = BUF(name);

		buf_put(&b, base);
		buf_str(&b, flags[i]);
		maildir_path(path, DIR_CUR, buf_slice(&b));
		fd = b.full ? -1 : maildir_open_message(md->fd, path->text);
	}
	return fd;
}

static enum err open_listed(const struct maildrop *md, const struct message *m, struct maildir_path *path, int *fd,
			    struct why *why)
{
	struct maildir_list list = {0};
	enum err err = maildir_list_agreed(md, &list, why);

	if (err == OK && !maildir_find_path(&list, m, path))
		err = fail(why, ERR_TEMP, "%s has been removed by another program", m->name);
	maildir_list_done(&list);
	if (err != OK)
		return err;
	*fd = maildir_open_message(md->fd, path->text);
	return *fd < 0 ? fail_errno(why, storage_err(errno), "open %s", path->text) : OK;
}

static enum err maildir_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	struct maildir_path path;
	struct stat st;
	enum err err = OK;

	maildir_path(&path, m->entry.dir, slice_str(m->name));
	int fd = maildir_open_message(md->fd, path.text);

	if (fd < 0 && errno == ENOENT)
		fd = open_moved(md, m, &path);
	if (fd < 0 && errno == ENOENT)
		err = open_listed(md, m, &path, &fd, why);
	else if (fd < 0)
		err = fail_errno(why, storage_err(errno), "open %s", path.text);
	if (err != OK)
		return err;
	if (fstat(fd, &st) < 0)
		err = fail_errno(why, ERR_TEMP, "stat %s", path.text);
	else if (!S_ISREG(st.st_mode))
		err = fail(why, ERR_TEMP, "%s is no message any more", path.text);
	if (err != OK) {
		close(fd);
		return err;
	}
	*out = (struct body){.fd = fd,
			     .octets = (uint64_t)st.st_size,
			     .same = st.st_ino == m->entry.id && storage_ns(st.st_mtim) == m->entry.at};
	return OK;
}

const struct store_driver maildir_driver = {
	.name = "maildir",
	.wire_rules = MAILDIR_RULES,
	.detect = maildir_detect,
	.create = maildir_create,
	.stamp = maildir_stamps,
	.scan = maildir_scan,
	.lasting = maildir_lasting,
	.grow = maildir_grow,
	.body = maildir_body,
	.commit = maildir_commit,
	.unmark = maildir_unmark,
	.deliver = maildir_deliver,
	.find_delivered = maildir_find_delivered,
	.end_delivery = maildir_end_delivery,
};
