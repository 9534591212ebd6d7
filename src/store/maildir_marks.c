/* store/maildir_marks.c - the Maildir driver: the flag T, with which other programs say that a message is to go. See store/marks.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/maildrop.h"

static const char info[] = ":2,";

/* Where the flags of a name begin; its end: it has none. */
static size_t flags_at(struct slice name)
{
	size_t n = name.n;

	while (n >= sizeof info && memcmp(name.p + n - (sizeof info - 1), info, sizeof info - 1) != 0)
		n--;
	return n >= sizeof info ? n : name.n;
}

uint32_t maildir_flags(struct slice name)
{
	size_t at = flags_at(name);

	return at < name.n && memchr(name.p + at, 'T', name.n - at) ? MESSAGE_MARKED : 0;
}

/* A name that somebody has is not taken; one that is gone has been renamed, and the next scan sees how. */
static enum err rename_without(const struct maildrop *md, unsigned dir, struct slice name, struct why *why)
{
	struct maildir_path from, to;
	char plain[NAME_OCTETS];
	struct buf b = BUF(plain);
	size_t at = flags_at(name);

	buf_put(&b, (struct slice){name.p, at});
	for (; at < name.n; at++)
		if (name.p[at] != 'T')
			buf_char(&b, name.p[at]);
	maildir_path(&from, dir, name);
	maildir_path(&to, dir, buf_slice(&b));
	if (renameat2(md->fd, from.text, md->fd, to.text, RENAME_NOREPLACE) == 0 || errno == ENOENT)
		return OK;
	return fail_errno(why, storage_err(errno), "rename %s", from.text);
}

static enum err sync_dir(const struct maildrop *md, unsigned d, struct why *why)
{
	int fd = openat(md->fd, maildir_dirs[d], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err =
		fd >= 0 && fsync(fd) == 0 ? OK : fail_errno(why, storage_err(errno), "fsync %s/", maildir_dirs[d]);

	if (fd >= 0)
		close(fd);
	return err;
}

enum err maildir_unmark(const struct maildrop *md, const struct scan *s, struct why *why)
{
	bool touched[DIRS] = {false};
	enum err err = OK;

	for (uint32_t i = 0; i < s->count && err == OK; scan_pass(i), i++)
		if (s->rec[i].flags & MESSAGE_MARKED) {
			err = rename_without(md, s->entry[i].dir, scan_name(s, i), why);
			touched[s->entry[i].dir] = true;
		}
	for (unsigned d = 0; d < DIRS && err == OK; d++)
		if (touched[d])
			err = sync_dir(md, d, why);
	return err;
}
