/* store/mailutils_lock.c - see mailutils_lock.h */
#include "store/mailutils_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"
#include "mail/dotlock.h"

enum {
	TOUCHED_S = 900
}; /* its session touches the lock with each command, and ends when there is none for ten minutes */

/* One that only root may read: whether its process runs cannot be known. */
static bool is_touched(const char *file)
{
	struct stat st;

	return faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) < 0 && errno == EACCES &&
	       fstatat(AT_FDCWD, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       clock_wall_ns() / 1000000000 - st.st_mtim.tv_sec < TOUCHED_S;
}

enum err mailutils_lock_look(const char *dir, const char *mailbox, struct why *why)
{
	char text[PATH_MAX];
	struct buf b = {.p = text, .cap = sizeof text - 1};

	if (!dir)
		return OK;
	buf_str(&b, dir);
	buf_char(&b, '/');
	for (const char *p = mailbox; *p; p++)
		if (*p == '/' || *p == '%')
			buf_str(&b, *p == '/' ? "%2F" : "%25");
		else
			buf_char(&b, *p);
	buf_str(&b, ".lock");
	text[b.len] = '\0';
	if (b.full)
		return OK; /* such a file cannot be */
	pid_t pid = dotlock_process(AT_FDCWD, text);

	if (pid == 0 && is_touched(text))
		return fail(why, ERR_IN_USE, "there is %.400s, of a session of Mailutils", text);
	return pid > 0 ? fail(why, ERR_IN_USE, "process %d has it open, which locks as Mailutils does", (int)pid) : OK;
}
