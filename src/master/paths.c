/* master/paths.c - see paths.h */
#include "master/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/tell.h"

enum { MODE_PUBLIC = 0755, MODE_EMPTY = 0555, MODE_PRIVATE = 0700, MODE_LOCKS = 0600, MODE_LOCKS_DIR = 01777 };
enum { SPARE_OCTETS = 256 * 1024 }; /* room for thousands of cuts and a window of sixty thousand octets, twice */

static enum err path_put(char out[static PATH_MAX], struct why *why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum err path_put(char out[static PATH_MAX], struct why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(out, PATH_MAX, fmt, ap);

	va_end(ap);
	return n < 0 || n >= PATH_MAX ? fail(why, ERR_PERM, "a path is too long: %.100s...", out) : OK;
}

/* For functions that give a descriptor: `why` is written, there is none. */
static int no_fd(enum err err)
{
	(void)err;
	return -1;
}

/* Where it all is, by default. */
static enum err runtime_choose(char out[static PATH_MAX], const struct conf *cf, struct why *why)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");

	if (cf->runtime_dir)
		return path_put(out, why, "%s", cf->runtime_dir);
	if (geteuid() == 0)
		return path_put(out, why, "/run/pop3d");
	if (xdg && xdg[0] == '/')
		return path_put(out, why, "%s/pop3d", xdg);
	return path_put(out, why, "%s/pop3d-%u", tmp && tmp[0] == '/' ? tmp : "/tmp", (unsigned)geteuid());
}

static enum err cache_choose(char out[static PATH_MAX], const struct conf *cf, struct why *why)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *tmp = getenv("TMPDIR");

	if (cf->mailbox.index[0] == '/')
		return path_put(out, why, "%s", cf->mailbox.index);
	if (cf->cache_dir)
		return path_put(out, why, "%s", cf->cache_dir);
	if (geteuid() == 0)
		return path_put(out, why, "/var/cache/pop3d");
	if (xdg && xdg[0] == '/')
		return path_put(out, why, "%s/pop3d", xdg);
	if (home && home[0] == '/')
		return path_put(out, why, "%s/.cache/pop3d", home);
	return path_put(out, why, "%s/pop3d-cache-%u", tmp && tmp[0] == '/' ? tmp : "/tmp", (unsigned)geteuid());
}

static enum err state_choose(char out[static PATH_MAX], const struct conf *cf, struct why *why)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *tmp = getenv("TMPDIR");

	if (cf->state_dir)
		return path_put(out, why, "%s", cf->state_dir);
	if (geteuid() == 0)
		return path_put(out, why, "/var/lib/pop3d");
	if (xdg && xdg[0] == '/')
		return path_put(out, why, "%s/pop3d", xdg);
	if (home && home[0] == '/')
		return path_put(out, why, "%s/.local/state/pop3d", home);
	return path_put(out, why, "%s/pop3d-state-%u", tmp && tmp[0] == '/' ? tmp : "/tmp", (unsigned)geteuid());
}

/* A directory `name` in `at`, made with `mode` where it is missing. One that is there must be ours, or `owner`'s, and
 * writable by nobody else: then whatever is in it is too. Never through a link. The caller owns the descriptor. */
static int dir_open(int at, const char *name, mode_t mode, const struct identity *owner, struct why *why)
{
	bool made = mkdirat(at, name, mode) == 0;

	if (!made && errno != EEXIST)
		return no_fd(fail_errno(why, ERR_TEMP, "make directory %s", name));
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return no_fd(fail_errno(why, ERR_TEMP, "open directory %s", name));
	if (made && (fchmod(fd, mode) < 0 || (owner && fchown(fd, owner->uid, owner->gid) < 0)))
		(void)fail_errno(why, ERR_TEMP, "set mode and owner of %s", name);
	else if (fstat(fd, &st) < 0)
		(void)fail_errno(why, ERR_TEMP, "look at %s", name);
	else if (st.st_uid != (owner ? owner->uid : geteuid()))
		(void)fail(why, ERR_PERM, "directory %s belongs to uid %u", name, (unsigned)st.st_uid);
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		(void)fail(why, ERR_PERM, "directory %s can be written by others", name);
	else
		return fd;
	close(fd);
	return -1;
}

/* Makes the directories above the last component of an absolute path, as an administrator would: links count. */
static void parents_make(char path[static PATH_MAX])
{
	mode_t mode = geteuid() == 0 ? MODE_PUBLIC : MODE_PRIVATE;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, mode); /* what is missing in the end, dir_open tells */
		*slash = '/';
	}
}

static int path_open(char path[static PATH_MAX], mode_t mode, struct why *why)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	if (path[0] != '/' || n == 1)
		return no_fd(fail(why, ERR_PERM, "%s is not the absolute path of a directory of ours", path));
	parents_make(path);
	return dir_open(AT_FDCWD, path, mode, NULL, why);
}

static enum err runtime_open(struct paths *p, const struct conf *cf, struct why *why)
{
	enum err err = runtime_choose(p->runtime, cf, why);
	int dir = err == OK ? path_open(p->runtime, geteuid() == 0 ? MODE_PUBLIC : MODE_PRIVATE, why) : -1;

	if (dir < 0)
		return ERR_PERM;
	int empty = dir_open(dir, "empty", MODE_EMPTY, NULL, why);

	if (empty >= 0) {
		close(empty);
		p->session_dir = dir_open(dir, "session", MODE_PRIVATE, NULL, why);
	}
	close(dir);
	return p->session_dir < 0 ? ERR_TEMP : path_put(p->empty, why, "%.*s/empty", PATH_MAX - 8, p->runtime);
}

static void state_open(struct paths *p, const struct conf *cf)
{
	struct why reason = {""}, *why = &reason;
	int dir = state_choose(p->state, cf, why) == OK ? path_open(p->state, MODE_PUBLIC, why) : -1;

	p->journal_dir = dir >= 0 ? dir_open(dir, "journal", MODE_PUBLIC, NULL, why) : -1;
	if (p->journal_dir < 0)
		tell(LOG_WARNING, "no directory for journals, so no mailbox is changed in place: %s", reason.text);
	p->uidl_dir = dir >= 0 ? dir_open(dir, "uidl", MODE_PUBLIC, NULL, why) : -1;
	if (p->uidl_dir < 0)
		tell(LOG_WARNING, "no directory for unique-ids, so those of identical messages are not kept: %s",
		     reason.text);
	if (dir >= 0)
		close(dir);
}

/* Owners of mail make files in it, and nobody removes another's: as /tmp. One that is there is its administrator's business. */
static void locks_make(const char *dir)
{
	char path[PATH_MAX];
	struct why why = {""};

	if (path_put(path, &why, "%s", dir) != OK)
		return;
	parents_make(path);
	if (mkdir(path, MODE_LOCKS_DIR) == 0)
		(void)chmod(path, MODE_LOCKS_DIR); /* whatever the umask is */
	else if (errno != EEXIST)
		tell(LOG_WARNING, "mandatory-locking: no directory %s: %s", path, strerror(errno));
}

enum err paths_open(struct paths *p, const struct conf *cf, struct why *why)
{
	struct why reason = {""};

	*p = (struct paths){.session_dir = -1, .cache_dir = -1, .journal_dir = -1, .uidl_dir = -1};
	if (runtime_open(p, cf, why) != OK) {
		paths_close(p);
		return ERR_PERM;
	}
	if (cache_choose(p->cache, cf, &reason) == OK)
		p->cache_dir = path_open(p->cache, MODE_PUBLIC, &reason);
	if (p->cache_dir < 0)
		tell(LOG_WARNING, "no directory for indexes: %s", reason.text);
	state_open(p, cf);
	if (cf->mandatory_locking.enable)
		locks_make(cf->mandatory_locking.lock_directory);
	return OK;
}

void paths_close(struct paths *p)
{
	if (p->session_dir >= 0)
		close(p->session_dir);
	if (p->cache_dir >= 0)
		close(p->cache_dir);
	if (p->journal_dir >= 0)
		close(p->journal_dir);
	if (p->uidl_dir >= 0)
		close(p->uidl_dir);
	p->session_dir = p->cache_dir = p->journal_dir = p->uidl_dir = -1;
}

size_t paths_descriptors(const struct paths *p, int fds[static PATHS_FDS])
{
	fds[0] = p->session_dir;
	fds[1] = p->cache_dir;
	fds[2] = p->journal_dir;
	fds[3] = p->uidl_dir;
	return PATHS_FDS;
}

int paths_session_file(const struct paths *p, uid_t uid, struct why *why)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", (unsigned)uid);
	int fd = openat(p->session_dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, MODE_LOCKS);

	if (fd < 0)
		(void)fail_errno(why, ERR_TEMP, "open %s/session/%s", p->runtime, name);
	return fd;
}

bool paths_is_session_file(const struct paths *p, uid_t uid, int fd)
{
	struct statx is, named;
	char name[16];

	(void)snprintf(name, sizeof name, "%u", (unsigned)uid);
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &is) == 0 &&
	       statx(p->session_dir, name, AT_SYMLINK_NOFOLLOW, STATX_INO, &named) == 0 &&
	       is.stx_ino == named.stx_ino && is.stx_dev_major == named.stx_dev_major &&
	       is.stx_dev_minor == named.stx_dev_minor;
}

int paths_state_lock(const struct paths *p, struct why *why)
{
	int fd = openat(p->session_dir, "logins", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, MODE_LOCKS);

	if (fd < 0)
		(void)fail_errno(why, ERR_TEMP, "open %s/session/logins", p->runtime);
	return fd;
}

/* The directory UID of an owner, below the one that is open at `at` and called `path`; -1: there is none. The caller owns it. */
static int owner_dir(int at, const char *path, const struct identity *owner, char dir[static PATH_MAX], struct why *why)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%u", (unsigned)owner->uid);
	int fd = at >= 0 ? dir_open(at, name, MODE_PRIVATE, owner, why) : -1;

	if (fd < 0 || path_put(dir, why, "%.*s/%s", PATH_MAX - 17, path, name) == OK)
		return fd;
	close(fd);
	return -1;
}

bool paths_index_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why)
{
	int fd = owner_dir(p->cache_dir, p->cache, owner, dir, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool paths_uidl_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why)
{
	char uidl[PATH_MAX];

	if (path_put(uidl, why, "%.*s/uidl", PATH_MAX - 22, p->state) != OK)
		return false;
	int fd = owner_dir(p->uidl_dir, uidl, owner, dir, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Root may still make it where users have no room. Whoever owns the directory may do with it as he likes: it is his space. */
static enum err spare_make(int dir, const struct identity *owner, struct why *why)
{
	int fd = openat(dir, "spare", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE_LOCKS);
	enum err err = OK;

	if (fd < 0)
		return errno == EEXIST ? OK : fail_errno(why, ERR_TEMP, "make spare space for journals");
	errno = posix_fallocate(fd, 0, SPARE_OCTETS);
	if (errno != 0 || fchown(fd, owner->uid, owner->gid) < 0) {
		err = fail_errno(why, ERR_TEMP, "make spare space for journals");
		(void)unlinkat(dir, "spare", 0); /* without it, a full disk means that nothing is changed in place */
	}
	close(fd);
	return err;
}

bool paths_journal_dir(const struct paths *p, const struct identity *owner, char dir[static PATH_MAX], struct why *why)
{
	char journal[PATH_MAX];
	struct why reason = {""};

	if (path_put(journal, why, "%.*s/journal", PATH_MAX - 25, p->state) != OK)
		return false;
	int fd = owner_dir(p->journal_dir, journal, owner, dir, why);

	if (fd < 0)
		return false;
	if (spare_make(fd, owner, &reason) != OK)
		log_line(LOG_WARNING, "%s: %s", dir, reason.text);
	close(fd);
	return true;
}
