/* front/arrivals.c - see arrivals.h */
#include "front/arrivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/acl.h"
#include "front/front.h"

enum {
	EVENTS = 16, /* looked at in one turn */
	SPARE_S = 5, /* beyond what access takes at most: waiting for its turn, and running */
};

static const double TICK = 1; /* seconds */

struct awaiting {
	struct awaiting *next;
	uint64_t job;
	double until; /* ev_now */
	const struct conf_acl_rule *rule;
	struct arrival who;
};

/* Takes it out of the queue. */
static struct awaiting awaiting_take(struct arrivals *as, struct awaiting **at)
{
	struct awaiting *w = *at, taken = *w;

	*at = taken.next;
	if (!*at)
		as->end = at;
	as->n--;
	if (!as->first)
		ev_timer_stop(as->front->loop, &as->tick);
	(void)epoll_ctl(as->epfd, EPOLL_CTL_DEL, taken.who.fd, NULL); /* it is there */
	free(w);
	return taken;
}

/* By its number; NULL: nobody has it any more. */
static struct awaiting **awaiting_find(struct arrivals *as, uint64_t job)
{
	struct awaiting **at = &as->first;

	while (*at && (*at)->job != job)
		at = &(*at)->next;
	return *at ? at : NULL;
}

/* The program said so, or there is a reason why it did not. */
static void decided(struct arrivals *as, struct awaiting **at, bool allowed, struct slice reason)
{
	struct front *f = as->front;
	struct awaiting w = awaiting_take(as, at);

	log_session(w.who.log_id);
	door_decided(f, &w.who, access_answered(f, &w.who, w.rule, allowed, reason));
	log_session(0);
}

static void withdraw(struct arrivals *as, uint64_t job)
{
	struct msg_withdraw m = {.job = job};

	if (as->connected) /* one that is gone needs none */
		(void)chan_send(&as->chan, MSG_WITHDRAW, &(struct chan_out){.payload = &m});
}

/* ---- access ---- */

static enum err on_verdict(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_verdict *verdict = m->payload;
	struct arrivals *as = c->owner;
	struct awaiting **at = awaiting_find(as, verdict->job);

	if (verdict->allowed > 1)
		return fail(why, ERR_PERM, "a verdict that is neither yes nor no");
	if (at) /* else the client has gone meanwhile */
		decided(as, at, verdict->allowed == 1, m->bulk);
	return OK;
}

/* Nobody is let in because the process that was to decide has died. */
static void on_closed(struct chan *c, const char *reason)
{
	struct arrivals *as = c->owner;

	if (reason)
		log_line(LOG_ERR, "channel to %s %u: %s", role_name(c->peer), c->peer_serial, reason);
	chan_done(c);
	as->connected = false;
	while (as->first)
		decided(as, &as->first, false, SLICE("the process that runs programs has ended"));
}

static const struct chan_ops access_ops = {.on = {[MSG_VERDICT] = on_verdict}, .closed = on_closed};

void arrivals_connect(struct front *f, const struct msg_peer *who, int fd)
{
	struct arrivals *as = &f->arrivals;

	if (as->connected) /* its end is still to be heard of */
		on_closed(&as->chan, NULL);
	chan_init(&as->chan, f->loop, fd, ROLE_FRONT, ROLE_ACCESS, who->serial, &access_ops, as);
	as->connected = true;
}

/* ---- asking ---- */

/* The entry's place in the list that the client is in. */
static struct msg_ask ask_of(const struct front *f, const struct arrival *a, const struct conf_acl_rule *r,
			     uint64_t job)
{
	uint32_t server = a->list == 0   ? (uint32_t)(a->server - f->conf->servers)
			  : a->list == 1 ? ACL_GLOBAL
					 : ACL_TABLES;

	return (struct msg_ask){.job = job,
				.log_id = a->log_id,
				.server = server,
				.rule = (uint32_t)(r - acl_find(f->conf, server)->rule),
				.client = a->client,
				.here = server == ACL_TABLES ? address_here(a->fd) : (struct address){0}};
}

enum err arrivals_run(struct front *f, const struct arrival *a, const struct conf_acl_rule *r, struct why *why)
{
	struct arrivals *as = &f->arrivals;
	struct msg_ask ask = ask_of(f, a, r, as->job + 1);

	if (!as->connected || !chan_send(&as->chan, MSG_ASK, &(struct chan_out){.payload = &ask}))
		return fail(why, ERR_TEMP, "there is no process that runs programs at the moment");
	as->job++;
	return OK;
}

/* Level by level: what a client sends meanwhile is left unread and wakes nobody again. */
static bool watch(const struct arrivals *as, const struct awaiting *w)
{
	struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLET, .data.u64 = w->job};

	return epoll_ctl(as->epfd, EPOLL_CTL_ADD, w->who.fd, &ev) == 0;
}

enum err arrivals_ask(struct front *f, const struct arrival *a, const struct conf_acl_rule *r, struct why *why)
{
	struct arrivals *as = &f->arrivals;
	struct awaiting *w = as->n < ARRIVALS_MOST ? malloc(sizeof *w) : NULL;

	if (!w)
		return fail(why, ERR_TEMP, "too many wait for programs");
	*w = (struct awaiting){.job = as->job + 1,
			       .until = ev_now(f->loop) + 2 * (double)f->conf->acl_timeout.n + SPARE_S,
			       .rule = r,
			       .who = *a};
	if (!watch(as, w)) {
		free(w);
		return fail_errno(why, ERR_TEMP, "watch the connection");
	}
	enum err err = arrivals_run(f, a, r, why);

	if (err != OK) {
		(void)epoll_ctl(as->epfd, EPOLL_CTL_DEL, a->fd, NULL); /* it is there */
		free(w);
		return err;
	}
	*as->end = w;
	as->end = &w->next;
	as->n++;
	if (!ev_is_active(&as->tick))
		ev_timer_again(f->loop, &as->tick);
	return OK;
}

/* ---- those who leave, and those whose time is up ---- */

/* True where the client has closed the connection. One that has only said all that it will say may still wait for answers. */
static bool has_left(const struct awaiting *w, uint32_t events)
{
	char octet;

	return events & (EPOLLHUP | EPOLLERR) || recv(w->who.fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void leave_one(struct arrivals *as, struct awaiting **at)
{
	struct awaiting w = awaiting_take(as, at);
	char text[ADDRESS_TEXT], place[256];

	log_session(w.who.log_id);
	debug(TOPIC_ACL, DEBUG_TRACE1, "%s: %s does not wait for its program", acl_place(w.rule, place, sizeof place),
	      address_text(&w.who.client, text));
	withdraw(as, w.job);
	close(w.who.fd);
	log_session(0);
}

static void on_leaving(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct arrivals *as = watcher->data;
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(as->epfd, ev, EVENTS, 0);

	(void)loop;
	(void)revents;
	for (int i = 0; i < n; i++) {
		struct awaiting **at = awaiting_find(as, ev[i].data.u64);

		if (at && has_left(*at, ev[i].events))
			leave_one(as, at);
	}
	front_left(as->front);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct arrivals *as = w->data;

	(void)revents;
	while (as->first && as->first->until <= ev_now(loop)) {
		withdraw(as, as->first->job);
		decided(as, &as->first, false, SLICE("the process that runs programs does not answer"));
	}
}

/* ---- start and end ---- */

bool arrivals_open(struct front *f)
{
	struct arrivals *as = &f->arrivals;

	*as = (struct arrivals){.front = f, .epfd = -1};
	as->end = &as->first;
	if (!acl_has_programs(f->conf))
		return true;
	as->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (as->epfd < 0) {
		log_line(LOG_ERR, "cannot watch connections: %s", strerror(errno));
		return false;
	}
	ev_io_init(&as->leaving, on_leaving, as->epfd, EV_READ);
	ev_timer_init(&as->tick, on_tick, TICK, TICK);
	as->leaving.data = as->tick.data = as;
	ev_io_start(f->loop, &as->leaving);
	return true;
}

void arrivals_leave(struct front *f)
{
	while (f->arrivals.first)
		leave_one(&f->arrivals, &f->arrivals.first);
}

void arrivals_close(struct front *f)
{
	struct arrivals *as = &f->arrivals;

	arrivals_leave(f);
	if (as->connected)
		chan_done(&as->chan);
	as->connected = false;
	if (as->epfd < 0)
		return;
	ev_io_stop(f->loop, &as->leaving);
	close(as->epfd);
	as->epfd = -1;
}
