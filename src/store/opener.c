/* store/opener.c - the opener role: looks at maildrops of owners who have no worker, so that a session may need none (master/opener.h)
 *
 * For one question it is the owner in the file system (setfsuid(2)): the kernel then looks at no rights but the owner's. To other processes it is root all the time, so
 * that nobody may signal or trace it, and it has none of root's rights. It makes system calls, and passes on what they say: nothing that
 * a user has written is read here, neither mail nor index nor lock. It writes nothing, and may not.
 *
 * What is looked at is what a worker looks at that opens a maildrop by its index (maildrop.c), in that order: where it is, the session lock, locks of
 * other programs, the mail, a journal, the index. Whatever is there and should not be, or is not and should, or is strange, is for a worker. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/handover.h"
#include "ipc/role.h"
#include "ipc/role_log.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/maildrop_parts.h"
#include "store/mailutils_lock.h"
#include "store/url.h"

static struct {
	struct ev_loop *loop;
	struct chan master;
	const struct role_env *env;
	struct maildrop_setup setup;
} opener;

/* What is asked about. */
struct asked {
	struct maildrop md; /* path, parent and name, or fd; driver, rules, key: nothing else */
	char path[PATH_MAX], name[NAME_OCTETS + 1];
	bool none; /* there is no such file */
	uid_t uid;
	uint64_t until_ms;
	int lock_fd, index_fd; /* borrowed; owned */
	struct msg_opened out;
};

/* ---- where it is ---- */

/* Its directory and its name there. */
static bool enter(struct asked *a)
{
	char *slash = strrchr(a->path, '/');

	if (!slash || slash[1] == '\0' || strlen(slash + 1) >= sizeof a->name)
		return false;
	memcpy(a->name, slash + 1, strlen(slash + 1) + 1);
	a->md.name = a->name;
	*slash = '\0';
	a->md.parent = open(slash > a->path ? a->path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	return a->md.parent >= 0;
}

/* What is known of a file on another machine may be some seconds old, until somebody opens it. */
static bool is_on_a_device(const struct stat *st)
{
	return major(st->st_dev) != 0;
}

static bool find_file(struct asked *a)
{
	struct stat parent;

	a->md.driver = &mbox_driver;
	if (fstat(a->md.parent, &parent) < 0 || !is_on_a_device(&parent))
		return false;
	a->md.key = lock_key_named(parent.st_dev, parent.st_ino, slice_str(a->name));
	return true;
}

static bool find_directory(struct asked *a)
{
	struct stat st;
	bool is = false;

	a->md.driver = &maildir_driver;
	a->md.fd = openat(a->md.parent, a->name, O_PATH | O_DIRECTORY | O_CLOEXEC); /* here links are followed */
	if (a->md.fd < 0 || fstat(a->md.fd, &st) < 0 || !is_on_a_device(&st) ||
	    maildir_driver.detect(a->md.fd, ACCURACY_DEFAULT, &is, NULL) != OK)
		return false;
	a->md.key = lock_key(st.st_dev, st.st_ino);
	return is;
}

/* What would be there is an mbox, which nobody makes before there is mail. */
static bool is_to_be_mbox(const struct url *url)
{
	bool any = url->scheme.n == 0 || slice_eq(url->scheme, SLICE("file"));

	return slice_eq(any ? slice_str(opener.setup.type) : url->scheme, slice_str(mbox_driver.name));
}

/* Formats that cannot be told without reading are for workers, and files behind links. */
static bool find(struct asked *a, struct slice text)
{
	struct buf path = BUF(a->path);
	struct url url;
	struct stat st;

	if (url_parse(text, &url, NULL) != OK || url_path(&url, &path, NULL) != OK || !enter(a))
		return false;
	a->none = fstatat(a->md.parent, a->name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	if (a->none && (errno != ENOENT || !is_to_be_mbox(&url)))
		return false;
	if (!(a->none || S_ISREG(st.st_mode) ? find_file(a) : find_directory(a)))
		return false;
	a->md.rules = maildrop_rules(&a->md);
	return url.scheme.n == 0 || slice_eq(url.scheme, SLICE("file")) ||
	       slice_eq(url.scheme, slice_str(a->md.driver->name));
}

/* ---- how it looks, under the session lock ---- */

static bool lock_set(const struct asked *a, short type)
{
	struct flock one = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)a->md.key, .l_len = 1};

	return fcntl(a->lock_fd, F_OFD_SETLK, &one) == 0;
}

static void unlock(const struct asked *a)
{
	(void)lock_set(a, F_UNLCK); /* cannot fail */
}

/* When master waits no more, it unlocks what is locked here by then. What is locked later would be in the way of the worker that has the grant. */
static bool lock(const struct asked *a)
{
	if (!lock_set(a, F_WRLCK))
		return false;
	if (clock_ms() < a->until_ms)
		return true;
	unlock(a);
	return false;
}

static bool is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A session of Mailutils, a deliverer, or what one has left behind. */
static bool is_locked(const struct asked *a)
{
	char dotlock[NAME_OCTETS + sizeof ".lock"], path[PATH_MAX];

	if (mailutils_lock_path(opener.setup.mailutils_locks, a->path, path) && is_there(AT_FDCWD, path))
		return true;
	(void)snprintf(dotlock, sizeof dotlock, "%s.lock", a->name);
	return a->md.driver->in_one_file && is_there(a->md.parent, dotlock);
}

/* DIR/UID/NAME, in one of the daemon's own directories. False: it is too long. */
static bool owner_path(const struct asked *a, const char *dir, const char *name, char path[static PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%u/%s", dir, (unsigned)a->uid, name);

	return n > 0 && n < PATH_MAX;
}

static bool has_journal(const struct asked *a, uint64_t ino)
{
	char name[JOURNAL_NAME], path[PATH_MAX];

	journal_name(ino, name);
	return !owner_path(a, opener.env->journals, name, path) || is_there(AT_FDCWD, path);
}

/* As in maildrop_warm.c: of a file that has one name, and is the same with the same times, samples of its contents are as they were. Who may not use it is asked of the kernel
 * (faccessat2(2), which is older than the Landlock that the opener needs: the C library would ask about root). */
static bool look_at_file(struct asked *a)
{
	struct stat st;

	if (fstatat(a->md.parent, a->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    faccessat(a->md.parent, a->name, R_OK | W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	a->out.look.stamp[0] = storage_stamp(&st);
	a->out.look.stamp[1] = (struct stamp){.ino = a->md.rules};
	a->out.look.kind = MAIL_SAMPLED;
	return !opener.env->journals || !has_journal(a, st.st_ino);
}

static bool look_at_mail(struct asked *a)
{
	if (a->none) {
		a->out.look.kind = MAIL_NONE;
		return !is_there(a->md.parent, a->name) && errno == ENOENT;
	}
	return a->md.driver->in_one_file ? look_at_file(a) : a->md.driver->stamp(&a->md, a->out.look.stamp, NULL) == OK;
}

/* What it begins with is in memory from here on, so that front gets it without waiting. */
static bool index_is_for_front(int fd)
{
	static struct index_first first;

	return fd >= 0 && handover_kind(fd) == HANDOVER_NOWAIT &&
	       pread(fd, &first, sizeof first, 0) >= (ssize_t)sizeof first.head;
}

/* Its owner may have mounted a file system (FUSE) on it. That is looked at and not opened: if it chooses not to answer, close(2) waits until it ends, whatever signal comes, and
 * all other owners with it. */
static int open_file(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || !is_on_a_device(&st))
		return -1;
	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Where a worker would look first. */
static bool open_index(struct asked *a)
{
	struct index_place place[MAILDROP_PLACES];
	char path[PATH_MAX];

	maildrop_places(&a->md, place);
	if (place[MAILDROP_BESIDE].dir >= 0)
		a->index_fd = open_file(place[MAILDROP_BESIDE].dir, place[MAILDROP_BESIDE].name);
	if (a->index_fd < 0 && opener.env->caches &&
	    owner_path(a, opener.env->caches, place[MAILDROP_IN_DIR].name, path))
		a->index_fd = open_file(AT_FDCWD, path);
	return index_is_for_front(a->index_fd);
}

static bool look(struct asked *a, struct slice url)
{
	if (!find(a, url) || !lock(a))
		return false;
	if (!is_locked(a) && look_at_mail(a) && (a->none || open_index(a)))
		return true;
	unlock(a);
	return false;
}

/* ---- as its owner ---- */

/* The kernel says what it was before, so whether it is this uid now. Where that changes it forgets whose death ends us, and that nobody may look into our memory. */
static bool become(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return (gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid;
}

static void asked_done(struct asked *a)
{
	const int fds[] = {a->md.fd, a->md.parent, a->index_fd};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static enum err on_open(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_open *q = m->payload;
	static struct asked a; /* one at a time */

	log_session(q->log_id);
	if (q->uid == 0)
		return fail(why, ERR_PERM, "it is asked for mail of root");
	a = (struct asked){
		.md = MAILDROP_CLOSED, .uid = q->uid, .until_ms = q->until_ms, .lock_fd = m->fds[0], .index_fd = -1};
	a.md.setup = &opener.setup;
	a.out.job = q->job;
	a.out.fits = become(q->uid, q->gid) && look(&a, m->bulk);
	struct chan_out out = {.payload = &a.out};

	if (a.out.fits) {
		a.out.key = a.md.key;
		a.out.look.rules = a.md.rules;
		(void)snprintf(a.out.look.driver, sizeof a.out.look.driver, "%s", a.md.driver->name);
		out.bulk[0] = slice_str(a.path);
		out.fds[0] = a.index_fd;
		out.nfds = a.index_fd >= 0;
	} else {
		a.out = (struct msg_opened){.job = q->job};
	}
	debug(TOPIC_MAILBOX, DEBUG_TRACE2, "%s: %s", a.path,
	      a.out.fits ? "looks as if it had not changed" : "is for a worker");
	(void)chan_send(c, MSG_OPENED, &out); /* without master we are at our end */
	asked_done(&a);
	return OK;
}

/* ---- the role ---- */

static void on_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_ERR, "channel to master: %s", reason);
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct chan_ops master_ops = {.on = {[MSG_OPEN] = on_open, [MSG_LOG] = role_log_on_log},
					   .closed = on_closed};

int opener_main(const struct role_env *env)
{
	const struct conf *cf = env->conf;

	opener.env = env;
	opener.loop = ev_default_loop(EVFLAG_AUTO);
	if (!opener.loop)
		return EXIT_FAILURE;
	(void)signal(SIGPIPE, SIG_IGN);
	opener.setup = (struct maildrop_setup){.type = cf->mailbox.mailbox_type ? cf->mailbox.mailbox_type : "mbox",
					       .index = maildrop_index_mode(cf),
					       .index_dir = -1,
					       .journal_dir = -1,
					       .uidl_dir = -1,
					       .mailutils_locks = cf->mandatory_locking.lock_directory,
					       .unquote = maildrop_unquote(cf)};
	chan_init(&opener.master, opener.loop, env->master_fd, ROLE_OPENER, ROLE_MASTER, 0, &master_ops, NULL);
	role_log_tell(&opener.master);
	(void)chan_send(&opener.master, MSG_READY, NULL);
	ev_run(opener.loop, 0);
	return EXIT_SUCCESS;
}
