/* master/child.c - see child.h */
#include "master/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/old_line.h"
#include "master/backends.h"
#include "master/spawn.h"

enum {
	EARLY_MS = 10000,      /* a process that ends sooner after its start is failing */
	AGAIN_MS = 100,        /* wait before the second try; each further one twice as long ... */
	AGAIN_MOST_MS = 30000, /* ... up to this */
	OVERDUE_S = 5,         /* from the end of its channel to its own */
};

/* Who has a channel to whom. */
static const struct {
	enum role a, b;
} pairs[] = {
	{ROLE_FRONT, ROLE_AUTH},   {ROLE_FRONT, ROLE_STORE},  {ROLE_AUTH, ROLE_HASH},
	{ROLE_AUTH, ROLE_STORE},   {ROLE_LOCKER, ROLE_STORE}, /* where there is a spool */
	{ROLE_FRONT, ROLE_ACCESS},                            /* where access lists have programs */
	{ROLE_AUTH, ROLE_STATE},   {ROLE_STATE, ROLE_STORE},  /* where something is kept of users */
	{ROLE_AUTH, ROLE_BACKEND},                            /* where modules ask others */
};

const char *child_name(const struct child *c)
{
	return c->module ? c->module : role_name(c->role);
}

bool child_runs(const struct child *c)
{
	return c->pid != 0;
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;
	struct why why = {""};

	(void)loop;
	(void)revents;
	if (c->master->stopping || (c->master->leaving && c->role == ROLE_FRONT) || child_start(c, &why) == OK)
		return;
	log_line(LOG_ERR, "cannot start %s: %s", child_name(c), why.text);
	c->early++;
	child_start_later(c);
}

void child_kill(const struct child *c, const char *reason)
{
	log_line(LOG_ERR, "%s %ld is ended: %s", child_name(c), (long)c->pid, reason);
	(void)kill(c->pid, SIGKILL);
}

static void on_overdue(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	child_kill(w->data, "it has closed its channel, and goes on");
}

void child_must_end(struct child *c)
{
	ev_timer_set(&c->overdue, OVERDUE_S, 0.);
	ev_timer_start(c->master->loop, &c->overdue);
}

struct child *place_add(struct master *m, enum role role)
{
	struct pool *pool = &m->pool[role];

	if (pool->n == pool->most)
		return NULL;
	struct child *c = &pool->child[pool->n];

	*c = (struct child){.master = m, .role = role, .slot = pool->n++, .chan.in.fd = -1};
	ev_timer_init(&c->again, on_again, 0., 0.);
	ev_timer_init(&c->overdue, on_overdue, 0., 0.);
	c->again.data = c->overdue.data = c;
	return c;
}

static bool peer_send(struct child *to, const struct child *peer, int fd)
{
	struct msg_peer p = {
		.role = peer->role,
		.serial = peer->serial,
		.slot = peer->slot,
		.uid = peer->owner.uid,
		.gid = peer->owner.gid,
		.module = peer->module_at,
	};
	struct chan_out out = {.payload = &p, .fds = {fd}, .nfds = 1};

	return chan_send(&to->chan, MSG_PEER, &out);
}

static enum err connect_two(struct child *a, struct child *b, struct why *why)
{
	int fds[2];
	enum err err = chan_pair(fds, why);

	if (err != OK)
		return err;
	/* Where one cannot be told, it is ending, and the other will see the channel close. */
	(void)peer_send(a, b, fds[0]);
	(void)peer_send(b, a, fds[1]);
	close(fds[0]);
	close(fds[1]);
	return OK;
}

static enum err connect_pool(struct child *c, enum role role, struct why *why)
{
	struct pool *pool = &c->master->pool[role];
	enum err err = OK;

	for (unsigned i = 0; err == OK && i < pool->n; i++)
		if (child_runs(&pool->child[i]) && !pool->child[i].leaving && !pool->child[i].spare &&
		    backends_meet(c, &pool->child[i]))
			err = connect_two(c, &pool->child[i], why);
	return err;
}

static enum err connect_all(struct child *c, struct why *why)
{
	enum err err = OK;

	for (size_t i = 0; err == OK && i < sizeof pairs / sizeof *pairs; i++) {
		if (pairs[i].a == c->role)
			err = connect_pool(c, pairs[i].b, why);
		else if (pairs[i].b == c->role)
			err = connect_pool(c, pairs[i].a, why);
	}
	return err;
}

/* Its peers are told first, and so is it, before it runs: whatever it says to one, the others know it by then. */
enum err child_start(struct child *c, struct why *why)
{
	int child_fd;
	enum err err = spawn_prepare(c, c->master->child_ops, &child_fd, why);

	if (err != OK)
		return err;
	err = connect_all(c, why);
	if (err == OK)
		err = spawn(c, child_fd, why);
	if (err != OK)
		chan_done(&c->chan); /* and with it its ends of the channels to its peers */
	close(child_fd);
	return err;
}

enum err child_start_spare(struct child *c, struct why *why)
{
	int child_fd;
	enum err err = spawn_prepare(c, c->master->child_ops, &child_fd, why);

	if (err != OK)
		return err;
	err = spawn_in_nursery(c, child_fd, why);
	if (err == OK)
		c->spare = true;
	else
		chan_done(&c->chan);
	close(child_fd);
	return err;
}

/* What its peers and master say to it waits in its channel until it is what it must be. */
enum err child_assign(struct child *c, struct why *why)
{
	enum err err = spawn_assign(c) ? connect_all(c, why) : fail_errno(why, ERR_TEMP, "tell a spare whose it is");

	c->started_ms = clock_ms();
	if (err == OK)
		c->spare = false;
	else
		child_let_go(c);
	return err;
}

void child_let_go(struct child *c)
{
	chan_done(&c->chan);
}

/* Once every auth has let go of it, no grant can reach it. */
void child_retire(struct child *c)
{
	const struct pool *auths = &c->master->pool[ROLE_AUTH];
	struct msg_forget forget = {.serial = c->serial};
	struct chan_out out = {.payload = &forget};

	if (c->leaving)
		return;
	c->leaving = true;
	c->master->owners.retiring++;
	for (unsigned i = 0; i < auths->n; i++)
		if (child_runs(&auths->child[i]))
			(void)chan_send(&auths->child[i].chan, MSG_FORGET, &out); /* an auth that ends lets go too */
	(void)chan_send(&c->chan, MSG_IDLE, NULL);                                /* one that ends goes too */
}

/* How long to wait before the next try, after so many early ends in a row. */
static uint64_t again_after(unsigned early)
{
	uint64_t ms = AGAIN_MS;

	if (early <= 1)
		return 0;
	for (; early > 2 && ms < AGAIN_MOST_MS; early--)
		ms *= 2;
	return ms < AGAIN_MOST_MS ? ms : AGAIN_MOST_MS;
}

void child_start_later(struct child *c)
{
	struct master *m = c->master;
	uint64_t ms = again_after(c->early);

	ev_timer_stop(m->loop, &c->again);
	ev_timer_set(&c->again, (double)ms / 1000, 0.);
	ev_timer_start(m->loop, &c->again);
}

/* True where it was said in Mailutils' words. */
static bool old_end(const struct child *c, int status)
{
	char text[2][16];
	struct buf pid = BUF(text[0]), number = BUF(text[1]);
	bool killed = WIFSIGNALED(status);

	buf_u64(&pid, (uint64_t)c->pid);
	buf_u64(&number, (uint64_t)(killed ? WTERMSIG(status) : WEXITSTATUS(status)));
	return old_line(killed ? OLD_KILLED : OLD_FINISHED,
			OLD(buf_slice(&pid), buf_slice(&number), slice_str(child_name(c))));
}

static void end_log(const struct child *c, int status)
{
	struct event e;

	if (old_end(c, status))
		return;
	event_new(&e, "ended");
	event_word(&e, "role", child_name(c));
	event_u64(&e, "pid", (uint64_t)c->pid);
	if (c->role == ROLE_STORE)
		event_u64(&e, "uid", c->owner.uid);
	if (WIFSIGNALED(status))
		event_u64(&e, "signal", (uint64_t)WTERMSIG(status));
	else
		event_u64(&e, "code", (uint64_t)WEXITSTATUS(status));
	/* In inetd mode front's status tells how its client's session ended. */
	bool is_plain = status == 0 || (c->master->is_inetd && c->role == ROLE_FRONT);

	event_log(&e, WIFSIGNALED(status) ? LOG_ERR : is_plain ? LOG_DEBUG : LOG_WARNING);
}

void child_end(struct child *c, int status)
{
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;

	end_log(c, status);
	ev_timer_stop(c->master->loop, &c->overdue);
	child_let_go(c);
	c->early = failed && clock_ms() - c->started_ms < EARLY_MS ? c->early + 1 : 0;
	c->again_ms = clock_ms() + again_after(c->early);
	c->pid = 0;
	c->master->owners.retiring -= c->leaving;
	c->ready = c->left = c->leaving = false;
	c->denials = 0;
	c->parks = false;
	c->master->running--;
}
