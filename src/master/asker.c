/* master/asker.c - see asker.h */
#include "master/asker.h"

#include <stdlib.h>
#include <unistd.h>

#include "master/backends.h"
#include "master/master.h"
#include "master/prepare.h"
#include "master/spawn.h"
#include "master/syscalls.h"

struct asker {
	struct master m; /* first: children know it */
	unsigned awaited;
};

enum { READY_S = 20 }; /* for the modules, which were loaded a moment ago */

static void one_less(struct asker *a, struct child *c)
{
	if (!c->ready && --a->awaited == 0)
		ev_break(a->m.loop, EVBREAK_ALL);
	c->ready = true;
}

static enum err on_ready(struct chan *ch, struct msg *m, struct why *why)
{
	struct child *c = ch->owner;

	(void)m;
	(void)why;
	one_less((struct asker *)c->master, c);
	return OK;
}

static enum err on_log_lost(struct chan *ch, struct msg *m, struct why *why)
{
	(void)ch;
	(void)m;
	(void)why;
	return OK; /* standard error is what there is */
}

/* It has said why. Whoever asks it finds nobody. */
static void on_closed(struct chan *ch, const char *reason)
{
	struct child *c = ch->owner;

	(void)reason;
	chan_done(ch);
	one_less((struct asker *)c->master, c);
}

static const struct chan_ops ops = {.on = {[MSG_READY] = on_ready, [MSG_LOG_LOST] = on_log_lost}, .closed = on_closed};

static enum err start_one(struct child *c, int *auth_fd, struct why *why)
{
	struct msg_peer auth = {.role = ROLE_AUTH, .serial = 1};
	int fds[2], child_fd;

	if (chan_pair(fds, why) != OK)
		return ERR_TEMP;
	enum err err = spawn_prepare(c, &ops, &child_fd, why);

	if (err == OK) {
		(void)chan_send(&c->chan, MSG_PEER, &(struct chan_out){.payload = &auth, .fds = {fds[1]}, .nfds = 1});
		err = spawn(c, child_fd, why);
		close(child_fd);
	}
	close(fds[1]);
	if (err == OK)
		*auth_fd = fds[0];
	else
		close(fds[0]);
	return err;
}

static enum err start_all(struct asker *a, asker_peer peer, void *arg, struct why *why)
{
	struct pool *pool = &a->m.pool[ROLE_BACKEND];
	enum err err = OK;

	for (unsigned i = 0; i < pool->n; i++)
		pool->child[i] = (struct child){.master = &a->m, .role = ROLE_BACKEND, .slot = i};
	backends_settle(&a->m);
	for (unsigned i = 0; err == OK && i < pool->n; i++) {
		struct child *c = &pool->child[i];
		int fd = -1;

		err = start_one(c, &fd, why);
		if (err != OK)
			break;
		a->awaited++;
		peer(arg, &(struct msg_peer){.role = ROLE_BACKEND, .serial = c->serial, .module = c->module_at}, fd);
	}
	return err;
}

static void on_late(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void wait_ready(struct asker *a)
{
	ev_timer late;

	if (a->awaited == 0)
		return;
	ev_timer_init(&late, on_late, READY_S, 0.);
	ev_timer_start(a->m.loop, &late);
	ev_run(a->m.loop, 0);
	ev_timer_stop(a->m.loop, &late);
}

static struct asker *asker_new(struct conf *cf, struct ev_loop *loop)
{
	unsigned n = backends_count(cf);
	struct asker *a = calloc(1, sizeof *a);
	struct child *child = calloc(n + 1, sizeof *child);

	if (!a || !child) {
		free(a);
		free(child);
		return NULL;
	}
	a->m = (struct master){.cf = cf, .loop = loop, .keeper_fd = -1, .client = -1, .relay = -1};
	a->m.pool[ROLE_BACKEND] = (struct pool){.child = child, .n = n, .most = n};
	return a;
}

enum err asker_start(struct asker **out, struct conf *cf, struct ev_loop *loop, asker_peer peer, void *arg,
		     struct why *why)
{
	cf->single_process = true;
	cf->foreground = false;
	cf->mode = MODE_DAEMON;
	*out = NULL;
	struct asker *a = asker_new(cf, loop);

	if (!a)
		return fail(why, ERR_TEMP, "no memory");
	enum err err = prepare_users(&a->m, why);

	if (err == OK)
		err = backends_check(&a->m, why);
	if (err == OK)
		err = start_all(a, peer, arg, why);
	if (err != OK) {
		asker_done(a);
		return err;
	}
	wait_ready(a);
	*out = a;
	return OK;
}

enum err asker_confine(struct asker *a, struct why *why)
{
	struct child self = {.master = &a->m, .role = ROLE_AUTH};
	struct role_env env = {.conf = a->m.cf, .session_fd = -1, .state_lock = -1, .confirmed = -1, .client = -1};
	struct confinement con;

	conf_wipe_secrets(a->m.cf, NULL);
	spawn_confinement(&self, &env, &con);
	enum err err = confine(&con, why);

	return err == OK ? syscalls_restrict(ROLE_AUTH, why) : err;
}

void asker_done(struct asker *a)
{
	struct pool *pool = a ? &a->m.pool[ROLE_BACKEND] : NULL;

	for (unsigned i = 0; pool && i < pool->n; i++)
		if (pool->child[i].serial > 0)
			chan_done(&pool->child[i].chan);
	if (pool)
		free(pool->child);
	free(a);
}
