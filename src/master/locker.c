/* master/locker.c - the locker role: makes and removes files beside mailboxes in the spool, for store workers that may not
 *
 * Its working directory is the spool, in which group mail may write; it is nobody, in that group, and may give files away (CAP_CHOWN). It
 * reads nothing but the numbers in lock files. Who asks is known from the channel, for which master has said whose mail the
 * worker serves: a request counts for a NAME that is a regular file of that owner, and no other.
 *
 * What a worker held goes when its channel does, its half-made files too; a lock that it has asked to keep, for a change in place that is
 * to be replayed, stays, with the number of master in it, and the next who asks for it gets it. Where locker itself dies, its locks bear
 * the number of a process that has gone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/role.h"
#include "ipc/role_log.h"
#include "mail/dotlock.h"
#include "mail/twin.h"

enum { HELD_MOST = 16 }; /* locks of one worker: it needs one at a time */

_Static_assert((int)SPOOL_NAME_MOST == (int)DOTLOCK_NAME_MOST, "what may be asked for can be locked");

struct held {
	struct held *next;
	struct dotlock lock;
	bool kept, twin; /* the lock survives; .NAME.new is there */
	char name[SPOOL_NAME_MOST + 1];
};

/* A store worker, and the owner that it works for. */
struct worker {
	struct chan chan;
	struct locker *locker;
	struct worker *next;
	uid_t uid;
	struct held *held;
};

struct locker {
	struct ev_loop *loop;
	struct chan master;
	struct dotlock_rules rules;
	struct worker *workers;
	bool leaving; /* with the last worker, whose commit may be under way */
};

static struct locker locker;

/* ---- what is asked ---- */

struct request {
	struct worker *worker;
	const char *name;
	struct held *held; /* by this worker; NULL: not */
	pid_t heir; /* whose number a lock may have, too: whoever lies about it harms his own mailbox; 0: nobody's */
	int fd;     /* for the answer; -1: none. Closed behind it */
};

static bool ends_in(struct slice name, struct slice end)
{
	return name.n >= end.n && memcmp(name.p + name.n - end.n, end.p, end.n) == 0;
}

/* The name of a mailbox, and of nothing that lies beside one. */
static bool is_mailbox_name(struct slice name)
{
	return name.n > 0 && name.n <= SPOOL_NAME_MOST && name.p[0] != '.' && slice_find(name, '/') == name.n &&
	       slice_find(name, '\0') == name.n && !ends_in(name, SLICE(".lock")) && !ends_in(name, SLICE(".new"));
}

static struct held *held_find(const struct worker *w, const char *name)
{
	struct held *h = w->held;

	while (h && strcmp(h->name, name) != 0)
		h = h->next;
	return h;
}

/* A lock that was kept is for whoever replays: while the change goes on, the kernel's lock on the mailbox keeps him out. */
static bool held_by_another(const struct locker *l, const struct worker *w, const char *name)
{
	for (const struct worker *other = l->workers; other; other = other->next) {
		const struct held *h = other != w ? held_find(other, name) : NULL;

		if (h && !h->kept)
			return true;
	}
	return false;
}

static unsigned held_count(const struct worker *w)
{
	unsigned n = 0;

	for (const struct held *h = w->held; h; h = h->next)
		n++;
	return n;
}

/* False: as dotlock_release. */
static bool held_drop(struct worker *w, struct held *h, struct why *why)
{
	struct held **at = &w->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	if (h->twin)
		twin_abandon(AT_FDCWD, h->name);
	bool released = dotlock_release(&h->lock, AT_FDCWD, h->name, why);

	free(h);
	return released;
}

static enum err do_lock(struct request *r, struct why *why)
{
	struct worker *w = r->worker;

	if (r->held)
		return OK;
	if (held_by_another(w->locker, w, r->name))
		return fail(why, ERR_IN_USE, "another process of ours has locked it");
	struct held *h = held_count(w) < HELD_MOST ? calloc(1, sizeof *h) : NULL;

	if (!h)
		return fail(why, ERR_TEMP, "no memory for a lock");
	struct dotlock_rules rules = w->locker->rules;

	if (r->heir > 0)
		rules.heir = r->heir;
	enum err err = dotlock_take(&h->lock, AT_FDCWD, r->name, &rules, why);

	if (err != OK) {
		free(h);
		return err;
	}
	(void)slice_cstr(slice_str(r->name), h->name, sizeof h->name); /* it is not longer than that */
	h->next = w->held;
	w->held = h;
	return OK;
}

static enum err do_unlock(struct request *r, struct why *why)
{
	return !r->held || held_drop(r->worker, r->held, why) ? OK : ERR_TEMP;
}

static enum err do_keep(struct request *r, struct why *why)
{
	enum err err = dotlock_keep(AT_FDCWD, r->name, r->worker->locker->rules.heir, why);

	r->held->kept |= err == OK;
	return err;
}

static enum err do_new(struct request *r, struct why *why)
{
	struct twin_like like;
	enum err err = twin_like_name(&like, r->name, why);

	if (err == OK && like.st.st_uid != r->worker->uid)
		err = fail(why, ERR_PERM, "it is somebody else's");
	if (err == OK)
		err = twin_new(AT_FDCWD, r->name, &like, &r->fd, why);
	r->held->twin |= err == OK;
	return err;
}

static enum err do_replace(struct request *r, struct why *why)
{
	if (!r->held->twin)
		return fail(why, ERR_PERM, "there is no new file");
	enum err err = twin_replace(AT_FDCWD, r->name, why);

	r->held->twin = err != OK;
	return err;
}

static enum err do_abandon(struct request *r, struct why *why)
{
	(void)why;
	if (r->held->twin)
		twin_abandon(AT_FDCWD, r->name);
	r->held->twin = false;
	return OK;
}

static const struct {
	enum err (*run)(struct request *r, struct why *why);
	bool needs_file; /* NAME must be there, the owner's */
	bool needs_lock;
} ops[SPOOL_OPS] = {
	[SPOOL_LOCK] = {do_lock, true, false},      [SPOOL_UNLOCK] = {do_unlock, false, false},
	[SPOOL_KEEP] = {do_keep, true, true},       [SPOOL_NEW] = {do_new, true, true},
	[SPOOL_REPLACE] = {do_replace, true, true}, [SPOOL_ABANDON] = {do_abandon, false, true},
};

/* A link is not followed. */
static enum err check_file(const struct worker *w, const char *name, struct why *why)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		return fail_errno(why, errno == ENOENT ? ERR_PERM : ERR_TEMP, "look at %s", name);
	if (!S_ISREG(st.st_mode))
		return fail(why, ERR_PERM, "it is no regular file");
	return st.st_uid == w->uid ? OK : fail(why, ERR_PERM, "it is somebody else's");
}

static enum err serve(struct worker *w, const struct msg_spool *q, struct slice text, int *fd, struct why *why)
{
	enum spool_op op = (enum spool_op)q->op;
	char name[SPOOL_NAME_MOST + 1];
	enum err err = OK;

	if (!is_mailbox_name(text) || !slice_cstr(text, name, sizeof name))
		return fail(why, ERR_PERM, "this is no name of a mailbox");
	struct request r = {.worker = w, .name = name, .held = held_find(w, name), .heir = (pid_t)q->heir, .fd = -1};

	if (ops[op].needs_lock && !r.held)
		return fail(why, ERR_PERM, "it is not locked");
	if (ops[op].needs_file)
		err = check_file(w, name, why);
	if (err == OK)
		err = ops[op].run(&r, why);
	*fd = r.fd;
	return err;
}

static enum err on_spool(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_spool *q = m->payload;
	struct msg_spooled answer = {.job = q->job};
	struct why reason = {""};
	int fd = -1;

	if (q->op >= SPOOL_OPS)
		return fail(why, ERR_PERM, "operation %u is not known", q->op);
	answer.err = (uint32_t)serve(c->owner, q, m->bulk, &fd, &reason);
	struct chan_out out = {.payload = &answer, .fds = {fd}, .nfds = fd >= 0};

	if (answer.err != OK)
		out.bulk[0] = slice_str(reason.text);
	(void)chan_send(c, MSG_SPOOLED, &out); /* a worker that is gone loses what it held, from the loop */
	if (fd >= 0)
		close(fd);
	return OK;
}

/* ---- who asks ---- */

static void on_worker_closed(struct chan *c, const char *reason)
{
	struct worker *w = c->owner, **at = &locker.workers;

	if (reason)
		log_line(LOG_ERR, "channel to store %u is closed: %s", c->peer_serial, reason);
	while (w->held) {
		if (w->held->kept)
			dotlock_leave(&w->held->lock);
		(void)held_drop(w, w->held, NULL);
	}
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	chan_done(c);
	free(w);
	if (locker.leaving && !locker.workers)
		ev_break(locker.loop, EVBREAK_ALL);
}

static const struct chan_ops worker_ops = {.on = {[MSG_SPOOL] = on_spool}, .closed = on_worker_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *q = m->payload;

	(void)c;
	if (q->role != ROLE_STORE || q->uid == 0)
		return fail(why, ERR_PERM, "a peer of role %u and uid %u", q->role, q->uid);
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return fail(why, ERR_TEMP, "no memory for a channel");
	w->locker = &locker;
	w->uid = q->uid;
	w->next = locker.workers;
	locker.workers = w;
	chan_init(&w->chan, locker.loop, msg_take_fd(m, 0), ROLE_LOCKER, ROLE_STORE, q->serial, &worker_ops, w);
	return OK;
}

static void on_master_closed(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
	locker.leaving = true;
	if (!locker.workers)
		ev_break(locker.loop, EVBREAK_ALL);
}

static const struct chan_ops master_ops = {
	.on = {[MSG_PEER] = on_peer, [MSG_LOG] = role_log_on_log},
	.closed = on_master_closed,
};

int locker_main(const struct role_env *env)
{
	const struct conf_locking *conf = &env->conf->locking;

	locker.loop = ev_default_loop(EVFLAG_AUTO);
	if (!locker.loop)
		return EXIT_FAILURE;
	(void)signal(SIGPIPE, SIG_IGN);
	locker.rules = (struct dotlock_rules){
		.pid_check = conf->pid_check, .expire_s = conf->expire_timeout.n, .heir = getppid()};
	chan_init(&locker.master, locker.loop, env->master_fd, ROLE_LOCKER, ROLE_MASTER, 0, &master_ops, NULL);
	role_log_tell(&locker.master);
	(void)chan_send(&locker.master, MSG_READY, NULL);
	ev_run(locker.loop, 0);
	return EXIT_SUCCESS;
}
