/* store/popbull.c - see popbull.h */
#include "store/popbull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/driver.h"

static const char name[] = ".popbull", made[] = ".popbull.new";

enum { TEXT_MOST = 4096 }; /* octets that are looked at: more blanks than anybody writes */

bool popbull_parse(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 0);
	bool large = errno == ERANGE || text[strspn(text, " \t\n\v\f\r")] == '-';

	if (end == text || (*end && !strchr(" \t\n\v\f\r", *end)))
		return false;
	*number = large && n != 0 ? UINT64_MAX : n;
	return true;
}

static int home_open(const char *home)
{
	return home && home[0] == '/' ? open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static enum popbull read_file(int fd, uint64_t *number, struct why *why)
{
	char text[TEXT_MOST + 1];
	struct stat st;
	ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, text, TEXT_MOST, 0) : -1;

	if (n < 0) {
		(void)fail(why, ERR_PERM, "it cannot be read, or is no regular file");
		return POPBULL_WRONG;
	}
	text[n] = '\0';
	if (popbull_parse(text, number))
		return POPBULL_KNOWN;
	(void)fail(why, ERR_PERM, "it does not begin with a number");
	return POPBULL_WRONG;
}

enum popbull popbull_read(const char *home, uint64_t *number, struct why *why)
{
	int dir = home_open(home);
	int fd = dir >= 0 ? openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
	enum popbull found = POPBULL_NONE;

	if (fd >= 0)
		found = read_file(fd, number, why);
	else if (dir >= 0 && errno != ENOENT) {
		(void)fail_errno(why, ERR_PERM, "open");
		found = POPBULL_WRONG;
	}
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return found;
}

/* The mode of what was there; that of a new one is as Mailutils makes it with our umask. */
static bool make(int dir, struct slice text)
{
	struct stat st;
	mode_t mode =
		fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0600;

	if (unlinkat(dir, made, 0) < 0 && errno != ENOENT)
		return false;
	int fd = openat(dir, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode | 0600);

	if (fd < 0)
		return false;
	bool ok = write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;

	if (close(fd) < 0)
		ok = false;
	ok = ok && renameat(dir, made, dir, name) == 0 && fsync(dir) == 0;
	if (!ok)
		(void)unlinkat(dir, made, 0);
	return ok;
}

enum err popbull_write(const char *home, uint64_t number, struct why *why)
{
	char text[32];
	struct buf b = BUF(text);
	int dir = home_open(home);

	buf_u64(&b, number);
	buf_char(&b, '\n');
	enum err err = dir >= 0 && make(dir, buf_slice(&b)) ? OK : fail_errno(why, storage_err(errno), "write it");

	if (dir >= 0)
		close(dir);
	return err;
}
