/* tests/store/shim.c - see shim.h */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct shim shim;

void shim_reset(void)
{
	shim = (struct shim){0};
}

enum { KILLED = 99 };

/* Whether this change is to fail. */
static bool change(void)
{
	shim.calls++;
	shim.changes++;
	if (shim.before)
		shim.before();
	if (shim.what == SHIM_KILL && shim.changes == shim.at)
		_exit(KILLED);
	if (shim.what != SHIM_ERROR || shim.changes != shim.at)
		return false;
	errno = shim.error;
	return true;
}

static int changed(int result)
{
	if (shim.what == SHIM_KILL_BEHIND && shim.changes == shim.at)
		_exit(KILLED);
	return result;
}

static void tell(enum shim_op_kind kind, int fd, const char *name, const char *name2, const void *data, size_t n,
		 off_t at, int made)
{
	const struct shim_op op = {kind, fd, made, name, name2, data, n, at};

	if (shim.made)
		shim.made(&op);
}

/* How much of a write is done. */
static size_t shortened(size_t n)
{
	return shim.what == SHIM_SHORT && shim.changes == shim.at && n > 1 ? n / 2 : n;
}

/* clang-format off */
#define WRAP(type, name, parameters) type __real_##name parameters; type __wrap_##name parameters; type __wrap_##name parameters
/* clang-format on */

/* What threads of a scan (store/crew.h) call, too. */
static void count(unsigned *what, unsigned n)
{
	(void)__atomic_add_fetch(what, n, __ATOMIC_RELAXED);
}

/* A file of a Maildir, by its path or its name, or of an MH folder; names of indexes have 16 digits. */
static bool is_message(const char *path)
{
	size_t digits = strspn(path, "0123456789");

	return (strlen(path) > 4 && path[3] == '/') ||
	       (digits > 0 && digits < 16 && (path[digits] == '\0' || path[digits] == '.'));
}

WRAP(int, openat64, (int dir, const char *path, int flags, ...))
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		if (shim.path && strstr(path, shim.path)) {
			errno = shim.path_error;
			return -1;
		}
		int fd = change() ? -1 : changed(__real_openat64(dir, path, flags, mode));

		if (fd >= 0)
			tell(OP_CREATE, dir, path, NULL, NULL, 0, 0, fd);
		return fd;
	}
	count(&shim.calls, 1);
	count(&shim.reads, is_message(path));
	if (shim.before_open)
		shim.before_open(path);
	if (shim.path && strstr(path, shim.path)) {
		errno = shim.path_error;
		return -1;
	}
	return __real_openat64(dir, path, flags, mode);
}

WRAP(int, open64, (const char *path, int flags, ...))
{
	shim.calls++;
	return __real_open64(path, flags);
}

static int seen(int result, struct stat *st)
{
	if (result == 0 && shim.ino_seen != 0 && st->st_ino == shim.ino)
		st->st_ino = shim.ino_seen;
	return result;
}

WRAP(int, fstatat64, (int dir, const char *path, struct stat *st, int flags))
{
	count(&shim.calls, 1);
	return seen(__real_fstatat64(dir, path, st, flags), st);
}

WRAP(int, fstat64, (int fd, struct stat *st))
{
	count(&shim.calls, 1);
	return seen(__real_fstat64(fd, st), st);
}

WRAP(ssize_t, pread64, (int fd, void *p, size_t n, off_t at))
{
	count(&shim.calls, 1);
	if (shim.before_read)
		shim.before_read();
	ssize_t got = __real_pread64(fd, p, n, at);

	(void)__atomic_add_fetch(&shim.octets, got > 0 ? (size_t)got : 0, __ATOMIC_RELAXED);
	return got;
}

WRAP(int, fcntl64, (int fd, int command, ...))
{
	va_list ap;

	va_start(ap, command);
	void *argument = va_arg(ap, void *);

	va_end(ap);
	shim.calls++;
	return __real_fcntl64(fd, command, argument);
}

WRAP(int, close, (int fd))
{
	count(&shim.calls, 1);
	return __real_close(fd);
}

WRAP(ssize_t, write, (int fd, const void *p, size_t n))
{
	if (change())
		return -1;
	ssize_t done = __real_write(fd, p, n);

	if (done > 0)
		tell(OP_WRITE, fd, NULL, NULL, p, (size_t)done, lseek(fd, 0, SEEK_CUR) - done, -1);
	(void)changed(0);
	return done;
}

WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at))
{
	if (change())
		return -1;
	ssize_t done = __real_pwrite64(fd, p, shortened(n), at);

	if (done > 0)
		tell(OP_WRITE, fd, NULL, NULL, p, (size_t)done, at, -1);
	(void)changed(0);
	return done;
}

WRAP(ssize_t, pwritev64v2, (int fd, const struct iovec *v, int count, off_t at, int flags))
{
	if (change())
		return -1;
	struct iovec own = *v;

	own.iov_len = shortened(own.iov_len);
	ssize_t done = __real_pwritev64v2(fd, count == 1 ? &own : v, count, at, flags);

	if (done > 0 && count == 1)
		tell(OP_WRITE, fd, NULL, NULL, v->iov_base, (size_t)done, flags & RWF_APPEND ? -1 : at, -1);
	(void)changed(0);
	return done;
}

WRAP(int, ftruncate64, (int fd, off_t octets))
{
	int result = change() ? -1 : changed(__real_ftruncate64(fd, octets));

	if (result == 0)
		tell(OP_TRUNCATE, fd, NULL, NULL, NULL, (size_t)octets, 0, -1);
	return result;
}

WRAP(int, linkat, (int from, const char *old, int to, const char *new, int flags))
{
	int result = change() ? -1 : changed(__real_linkat(from, old, to, new, flags));

	if (result == 0)
		tell(OP_LINK, from, old, new, NULL, 0, 0, -1);
	return result;
}

WRAP(int, renameat2, (int from, const char *old, int to, const char *new, unsigned flags))
{
	int result = change() ? -1 : changed(__real_renameat2(from, old, to, new, flags));

	if (result == 0)
		tell(flags & RENAME_EXCHANGE ? OP_EXCHANGE : OP_RENAME, from, old, new, NULL, 0, 0, -1);
	return result;
}

WRAP(int, fsync, (int fd))
{
	int result = change() ? -1 : changed(shim.no_sync ? 0 : __real_fsync(fd));

	if (result == 0)
		tell(OP_SYNC, fd, NULL, NULL, NULL, 0, 0, -1);
	return result;
}

WRAP(int, fdatasync, (int fd))
{
	int result = change() ? -1 : changed(shim.no_sync ? 0 : __real_fdatasync(fd));

	if (result == 0)
		tell(OP_SYNC, fd, NULL, NULL, NULL, 0, 0, -1);
	return result;
}

WRAP(int, unlinkat, (int dir, const char *path, int flags))
{
	int result = change() ? -1 : changed(__real_unlinkat(dir, path, flags));

	if (result == 0)
		tell(OP_UNLINK, dir, path, NULL, NULL, 0, 0, -1);
	return result;
}

WRAP(int, renameat, (int from, const char *old, int to, const char *new))
{
	int result = change() ? -1 : changed(__real_renameat(from, old, to, new));

	if (result == 0)
		tell(OP_RENAME, from, old, new, NULL, 0, 0, -1);
	return result;
}

WRAP(int, rename, (const char *old, const char *new))
{
	return change() ? -1 : changed(__real_rename(old, new));
}

WRAP(int, mkdirat, (int dir, const char *path, mode_t mode))
{
	return change() ? -1 : changed(__real_mkdirat(dir, path, mode));
}

WRAP(char *, mkdtemp, (char *path))
{
	char *made = change() ? NULL : __real_mkdtemp(path);

	(void)changed(0);
	return made;
}

WRAP(int, clock_gettime, (clockid_t clock, struct timespec *t))
{
	int result = __real_clock_gettime(clock, t);

	if (clock == CLOCK_BOOTTIME)
		*t = (struct timespec){.tv_sec = shim.booted ? 0 : t->tv_sec + 1000};
	else if (clock == CLOCK_REALTIME)
		t->tv_sec += shim.later_s;
	return result;
}

unsigned shim_passes(unsigned errors)
{
	return getenv("POP3D_LONG") ? errors : 1;
}

int shim_error_at(const struct shim_errors *errors, unsigned at)
{
	return errors ? errors->error[(at + errors->pass) % errors->n] : 0;
}
