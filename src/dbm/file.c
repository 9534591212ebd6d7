/* dbm/file.c - opening, checking and locking the file of a database (driver.h) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/safety.h"
#include "dbm/driver.h"

enum { PAUSE_MS = 10 };

enum err dbm_failed(const struct dbm *db, const char *what, struct why *why)
{
	bool temporary = errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == ENOMEM || errno == ENFILE ||
			 errno == EMFILE || errno == EINTR || errno == EAGAIN;

	return fail_errno(why, temporary ? ERR_TEMP : ERR_PERM, "%s: %s", db->name.path, what);
}

uint64_t dbm_deadline(const struct dbm *db)
{
	return clock_ms() + db->how.wait_ms;
}

bool dbm_pause(uint64_t deadline)
{
	struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

	if (clock_ms() >= deadline)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

bool dbm_is_current(const struct dbm *db, int fd)
{
	struct stat ours, there;

	if (db->how.fd > 0)
		return true;
	return fstat(fd, &ours) == 0 && stat(db->name.path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

int dbm_file_open(const struct dbm *db, enum err *err, struct why *why)
{
	char proc[64];
	struct stat st;
	int flags = (db->how.use == DBM_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	if (snprintf(proc, sizeof proc, "/proc/self/fd/%d", db->how.fd) < 0)
		proc[0] = '\0';
	int fd = open(db->how.fd > 0 ? proc : db->name.path, flags);

	if (fd < 0) {
		*err = dbm_failed(db, "cannot be opened", why);
		return -1;
	}
	*err = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
		       ? OK
		       : fail(why, ERR_PERM, "%s: not a regular file", db->name.path);
	if (*err == OK && db->how.fd <= 0)
		*err = safety_check(fd, db->name.path, db->name.checks, db->name.owner, why);
	if (*err == OK)
		return fd;
	close(fd);
	return -1;
}

int dbm_file_lock(const struct dbm *db, enum err *err, struct why *why)
{
	int op = (db->how.use == DBM_READ ? LOCK_SH : LOCK_EX) | LOCK_NB;
	uint64_t deadline = dbm_deadline(db);

	do {
		int fd = dbm_file_open(db, err, why);

		if (fd < 0)
			return -1;
		bool locked = flock(fd, op) == 0;

		if (locked && dbm_is_current(db, fd))
			return fd;
		*err = locked || errno == EWOULDBLOCK ? ERR_IN_USE : dbm_failed(db, "cannot be locked", why);
		close(fd);
	} while (*err == ERR_IN_USE && dbm_pause(deadline));
	if (*err == ERR_IN_USE)
		(void)fail(why, ERR_IN_USE, "%s: locked by another program", db->name.path);
	return -1;
}

int dbm_file_beside(const struct dbm *db, char temp[PATH_MAX], struct why *why)
{
	int n = snprintf(temp, PATH_MAX, "%s.XXXXXX", db->name.path);

	if (n < 0 || n >= PATH_MAX) {
		(void)fail(why, ERR_PERM, "%s: too long a name", db->name.path);
		return -1;
	}
	int fd = mkostemp(temp, O_CLOEXEC);

	if (fd >= 0 && fchmod(fd, db->how.mode) == 0)
		return fd;
	(void)dbm_failed(db, "a file beside it cannot be made", why);
	if (fd >= 0) {
		(void)unlink(temp);
		close(fd);
	}
	return -1;
}

bool dbm_is_there(const struct dbm_name *name)
{
	struct stat st;

	return stat(name->path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}
