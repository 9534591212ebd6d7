/* store/mu_prop.c - see mu_prop.h */
#include "store/mu_prop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/driver.h"
#include "store/stamp.h"

#define NAME ".mu-prop"
#define MADE ".mu-prop.pop3d"
#define VERSION "3.15" /* whose letters are ours */

/* Whether the line has that name; then its value. */
static bool is_line(struct slice line, const char *name, struct slice *value)
{
	size_t n = strlen(name);

	if (line.n <= n || memcmp(line.p, name, n) != 0 || line.p[n] != ':')
		return false;
	*value = slice_trim((struct slice){line.p + n + 1, line.n - n - 1});
	return true;
}

/* MAJOR.MINOR, above 3.10. */
static bool is_recent(struct slice version)
{
	struct slice minor = version, major = slice_take(&minor, '.');
	uint32_t a, b = 0;

	minor = slice_take(&minor, '.');
	return slice_u32(major, &a) && (minor.n == 0 || slice_u32(minor, &b)) && (a > 3 || (a == 3 && b > 10));
}

static enum err parse(struct mu_prop *p, struct why *why)
{
	struct slice rest = {p->text, p->n}, value;
	bool sane = true;

	p->old = true;
	while (rest.n > 0) {
		struct slice line = slice_take(&rest, '\n');

		if (is_line(line, "uidnext", &value))
			sane = sane && slice_u32(value, &p->next);
		else if (is_line(line, "uid-validity", &value))
			sane = sane && slice_u32(value, &p->validity);
		else if (is_line(line, "version", &value))
			p->old = !is_recent(value);
	}
	return sane ? OK : fail(why, ERR_PERM, "%s has a number that is none", NAME);
}

enum err mu_prop_read(int dir, struct mu_prop *p, struct why *why)
{
	int fd = openat(dir, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	p->next = p->validity = 0;
	p->there = p->old = false;
	p->n = 0;
	if (fd < 0)
		return errno == ENOENT ? OK : fail_errno(why, storage_err(errno), "open %s", NAME);
	ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size < sizeof p->text
			      ? TEMP_FAILURE_RETRY(pread(fd, p->text, sizeof p->text, 0))
			      : -1;

	close(fd);
	if (got < 0)
		return fail(why, ERR_PERM, "%s cannot be read, or is too large", NAME);
	p->there = true;
	p->n = (size_t)got;
	return parse(p, why);
}

/* The file as it is to be: its lines, but those that we have, and these. */
static void make(const struct mu_prop *p, uint32_t next, uint32_t validity, bool maildir, struct buf *out)
{
	struct slice rest = {p->text, p->n}, value;

	buf_str(out, "uidnext: ");
	buf_u64(out, next);
	buf_str(out, "\nuid-validity: ");
	buf_u64(out, validity);
	buf_char(out, '\n');
	while (rest.n > 0) {
		struct slice line = slice_take(&rest, '\n');

		if (line.n == 0 || is_line(line, "uidnext", &value) || is_line(line, "uid-validity", &value))
			continue;
		buf_put(out, line);
		buf_char(out, '\n');
	}
	if (maildir && !p->there)
		buf_str(out, "version: " VERSION "\n");
	buf_char(out, '\n');
}

static enum err write_synced(int dir, struct slice text, struct why *why)
{
	if (unlinkat(dir, MADE, 0) < 0 && errno != ENOENT) /* what a process that died has left */
		return fail_errno(why, storage_err(errno), "remove %s", MADE);
	int fd = openat(dir, MADE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "create %s", MADE);
	ssize_t wrote = TEMP_FAILURE_RETRY(write(fd, text.p, text.n));
	bool done = wrote == (ssize_t)text.n && TEMP_FAILURE_RETRY(fsync(fd)) == 0;
	enum err err = done ? OK : fail_errno(why, storage_err(wrote < 0 ? errno : ENOSPC), "write %s", MADE);

	close(fd); /* synced */
	return err;
}

static enum err sync_dir(int dir, struct why *why)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd >= 0 && fsync(fd) == 0 ? OK : fail_errno(why, storage_err(errno), "fsync the directory");

	if (fd >= 0)
		close(fd);
	return err;
}

enum err mu_prop_write(int dir, struct mu_prop *p, uint32_t next, bool maildir, struct why *why)
{
	char text[MU_PROP_MOST + 128];
	struct buf b = BUF(text);

	if (p->next >= next && p->validity > 0)
		return OK;
	make(p, next > p->next ? next : p->next, p->validity > 0 ? p->validity : stamp_now(), maildir, &b);
	enum err err = write_synced(dir, buf_slice(&b), why);

	if (err == OK && renameat(dir, MADE, dir, NAME) < 0)
		err = fail_errno(why, storage_err(errno), "put %s in its place", NAME);
	if (err == OK)
		err = sync_dir(dir, why);
	else
		(void)unlinkat(dir, MADE, 0); /* it may not be there */
	return err;
}
