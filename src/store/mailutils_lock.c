/* store/mailutils_lock.c - see mailutils_lock.h */
#include "store/mailutils_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/slice.h"

enum {
	TOUCHED_S = 900
}; /* its session touches the lock with each command, and ends when there is none for ten minutes */

/* One that only root may read: whether its process runs cannot be known. */
static bool is_touched(const char *file)
{
	struct stat st;

	return fstatat(AT_FDCWD, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       clock_wall_ns() / 1000000000 - st.st_mtim.tv_sec < TOUCHED_S;
}

/* What the file is called, without its .lock. */
static void put_name(struct buf *b, const char *mailbox)
{
	for (const char *p = mailbox; *p; p++)
		if (*p == '/' || *p == '%')
			buf_str(b, *p == '/' ? "%2F" : "%25");
		else
			buf_char(b, *p);
}

bool mailutils_lock_path(const char *dir, const char *mailbox, char path[static PATH_MAX])
{
	struct buf b = {.p = path, .cap = PATH_MAX - 1};

	if (!dir)
		return false;
	buf_str(&b, dir);
	buf_char(&b, '/');
	put_name(&b, mailbox);
	buf_str(&b, ".lock");
	path[b.len] = '\0';
	return !b.full;
}

enum err mailutils_lock_look(const char *dir, const char *mailbox, struct why *why)
{
	char text[PATH_MAX];

	if (!mailutils_lock_path(dir, mailbox, text))
		return OK;
	bool is_readable = faccessat(AT_FDCWD, text, R_OK, AT_EACCESS) == 0;
	bool is_hidden = !is_readable && errno == EACCES;
	pid_t pid = is_readable ? dotlock_process(AT_FDCWD, text) : 0;

	if (is_hidden && is_touched(text))
		return fail(why, ERR_IN_USE, "there is %.400s, of a session of Mailutils", text);
	return pid > 0 ? fail(why, ERR_IN_USE, "process %d has it open, which locks as Mailutils does", (int)pid) : OK;
}

/* False: there can be no file of this name. */
static bool name_of(const char *mailbox, char name[static DOTLOCK_NAME_MOST + 1])
{
	struct buf b = {.p = name, .cap = DOTLOCK_NAME_MOST};

	put_name(&b, mailbox);
	name[b.len] = '\0';
	return !b.full;
}

enum err mailutils_lock_take(struct dotlock *l, int dir, const char *mailbox, const struct dotlock_rules *rules,
			     struct why *why)
{
	char name[DOTLOCK_NAME_MOST + 1];
	struct why reason = {""};

	if (!name_of(mailbox, name))
		return fail(why, ERR_PERM, "mandatory-locking: its path is too long for the name of a lock");
	if (dir < 0)
		return fail(why, ERR_PERM, "mandatory-locking: there is no lock-directory");
	enum err err = dotlock_take(l, dir, name, rules, &reason);

	return err == OK ? OK : fail(why, err, "mandatory-locking: %.200s", reason.text);
}

void mailutils_lock_release(struct dotlock *l, int dir, const char *mailbox)
{
	char name[DOTLOCK_NAME_MOST + 1];
	struct why why = {""};

	if (l->fd >= 0 && name_of(mailbox, name) && !dotlock_release(l, dir, name, &why))
		log_line(LOG_WARNING, "mandatory-locking: %s", why.text);
	l->fd = -1;
}
