/* front/door.c - see door.h */
#include "front/door.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "front/front.h"
#include "front/session.h"
#include "ipc/old_line.h"

enum {
	TURN_MOST = 32,     /* connections from one socket before sessions get their turn */
	EVENTS = 16,        /* sockets looked at in one turn */
	FDS_PER_CLIENT = 3, /* its socket, a large scan listing, a large message */
	FDS_SPARE = 256,    /* listeners, eventfds, what is on its way */
	CLIENTS_LEAST = 16, /* whatever the limit of descriptors */
};

/* Seconds. */
static const double LOOK_AGAIN = 0.05, TICK = 1;

/* All that a client costs which waits for a place. */
struct waiting {
	struct waiting *next;
	uint64_t ticket;
	double until; /* ev_now */
	struct arrival who;
};

static size_t server_number(const struct front *f, const struct conf_server *server)
{
	return (size_t)(server - f->conf->servers);
}

struct address door_address(const struct conf_server *server)
{
	return address_of(&server->addr);
}

/* No session, no place: a line, as far as the socket takes it, unless the client expects TLS; and what the client said
 * already is read, so that the kernel does not reset the connection before the line is read. */
static void refuse(const struct arrival *a, const char *why)
{
	char line[160], heard[512];
	struct buf b = BUF(line);

	buf_str(&b, "-ERR [SYS/TEMP] ");
	buf_str(&b, why);
	buf_str(&b, ", service temporarily unavailable, please wait and try again\r\n");
	if (a->server->tls_mode != TLS_CONNECTION)
		(void)!send(a->fd, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL); /* nobody to tell */
	shutdown(a->fd, SHUT_WR);
	(void)!recv(a->fd, heard, sizeof heard, MSG_DONTWAIT);
	close(a->fd);
}

static const char too_many[] = "Too many clients", ending[] = "Shutting down";

/* The client has a place. */
static void enter(struct front *f, const struct arrival *a)
{
	if (session_new(f, a))
		return;
	refuse(a, "No memory");
	door_left(f, &a->client);
}

static void publish(struct front *f)
{
	places_publish(&f->places, f->door.first ? f->door.first->ticket : 0);
}

/* Takes the first that waits out of the queue. */
static struct waiting waiting_take(struct front *f)
{
	struct door *d = &f->door;
	struct waiting *first = d->first, w = *first;

	d->first = w.next;
	d->waits--;
	if (!d->first) {
		d->end = &d->first;
		ev_timer_stop(f->loop, &d->tick);
	}
	free(first);
	places_wait_over(&f->places, server_number(f, w.who.server));
	publish(f);
	return w;
}

static void wake(const struct front *f, int slot)
{
	const uint64_t one = 1;

	(void)!write(f->env->wake[slot], &one, sizeof one); /* full: it is awake */
}

/* Lets in those whose turn it is, and wakes the front that holds the next. */
static void admit(struct front *f)
{
	struct door *d = &f->door;
	int slot;

	if (d->admits)
		return;
	d->admits = true;
	while ((slot = places_next(&f->places)) == (int)f->env->places.slot && d->first && places_take(&f->places)) {
		struct waiting w = waiting_take(f);

		enter(f, &w.who);
	}
	d->admits = false;
	if (slot >= 0 && slot != (int)f->env->places.slot)
		wake(f, slot);
}

/* The client's place was free all the same when it had queued up: admit() finds it. */
static bool wait_for_place(struct front *f, const struct arrival *a)
{
	struct door *d = &f->door;
	struct waiting *w = f->conf->client_wait.n > 0 ? malloc(sizeof *w) : NULL;

	if (!w || !places_wait(&f->places, server_number(f, a->server), a->server->backlog)) {
		free(w);
		return false;
	}
	*w = (struct waiting){
		.ticket = places_ticket(&f->places),
		.until = ev_now(f->loop) + (double)f->conf->client_wait.n,
		.who = *a,
	};
	d->waits++;
	*d->end = w;
	d->end = &w->next;
	publish(f);
	if (!ev_is_active(&d->tick)) /* again would put it off, for as long as clients come */
		ev_timer_again(f->loop, &d->tick);
	return true;
}

static void log_crowded(uint32_t places)
{
	char text[16];
	struct buf number = BUF(text);

	buf_u64(&number, places);
	if (!old_line(OLD_CROWDED, OLD(buf_slice(&number))))
		log_line(LOG_WARNING, "all %u places (max-children) are taken; clients wait", places);
}

static void arrival_debug(const struct arrival *a)
{
	char text[ADDRESS_TEXT];

	debug(TOPIC_SERVER, DEBUG_TRACE1, "connect from %s port %u", address_text(&a->client, text),
	      (unsigned)a->client.port);
}

/* Somebody whom the access lists let in. */
static void take_in(struct front *f, const struct arrival *a)
{
	if (!places_address_take(&f->places, &a->client)) {
		refuse(a, "Too many clients from your address");
		return;
	}
	if (!places_are_awaited(&f->places) && places_take(&f->places)) {
		places_spell_over(&f->places);
		enter(f, a);
		return;
	}
	if (places_spell_begins(&f->places))
		log_crowded(f->places.most);
	if (!wait_for_place(f, a)) {
		places_address_give(&f->places, &a->client);
		refuse(a, too_many);
	}
	admit(f);
}

void door_decided(struct front *f, struct arrival *a, enum access verdict)
{
	if (verdict == ACCESS_ALLOWED)
		take_in(f, a);
	else if (verdict == ACCESS_DENIED)
		close(a->fd);
	front_left(f);
}

static void arrive(struct front *f, struct arrival *a)
{
	log_session(a->log_id);
	arrival_debug(a);
	door_decided(f, a, access_walk(f, a));
}

void door_left(struct front *f, const struct address *client)
{
	places_address_give(&f->places, client);
	places_give(&f->places);
	admit(f);
	front_left(f);
}

/* Those whose time is up; and a look at the places, in case that a front died which had some. */
static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct door *d = w->data;
	struct front *f = d->front;

	(void)revents;
	while (d->first && d->first->until <= ev_now(loop)) {
		struct waiting gone = waiting_take(f);

		places_address_give(&f->places, &gone.who.client);
		refuse(&gone.who, too_many);
	}
	admit(f);
	front_left(f);
}

/* One connection. False: there is none, or it could not be taken. */
static bool accept_one(struct front *f, size_t i)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof ss;
	int fd = accept4(f->env->listeners[i], (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		f->door.starved |= errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		return errno == ECONNABORTED || errno == EINTR;
	}
	struct arrival a = {
		.fd = fd, .log_id = front_log_id(f), .server = &f->conf->servers[i], .client = address_of(&ss)};

	arrive(f, &a);
	log_session(0);
	return true;
}

/* Descriptors may come at any time, with what store hands over: one that found no room would cost the channel. */
static bool has_room(const struct front *f)
{
	uint64_t most =
		(uint64_t)places_mine(&f->places) * FDS_PER_CLIENT + f->door.waits + f->arrivals.n + f->peers.channels;

	return most < f->door.descriptors;
}

static bool is_crowded(const struct front *f)
{
	return f->door.starved || !has_room(f) || places_are_ahead(&f->places);
}

/* Takes connections from a socket. False: others must have their turn first. */
static bool accept_some(struct front *f, size_t i, unsigned most)
{
	while (most > 0 && accept_one(f, i))
		most--;
	return most > 0;
}

static void watch_listeners(struct front *f, int op)
{
	for (size_t i = 0; i < f->conf->nservers; i++) {
		struct epoll_event ev = {.events = EPOLLIN | (op == EPOLL_CTL_ADD ? EPOLLEXCLUSIVE : 0), .data.u64 = i};

		if (f->env->listeners[i] >= 0 && epoll_ctl(f->door.epfd, op, f->env->listeners[i], &ev) < 0)
			log_line(LOG_ERR, "cannot watch listener %zu: %s", i, strerror(errno));
	}
}

/* Lets go of the listening sockets. Connections that wait there may have woken nobody but us (EPOLLEXCLUSIVE), so the
 * front with the fewest clients is asked to take them. */
static void shut(struct front *f)
{
	struct door *d = &f->door;
	int idlest = places_idlest(&f->places);

	watch_listeners(f, EPOLL_CTL_DEL);
	ev_timer_again(f->loop, &d->look);
	if (idlest >= 0)
		wake(f, idlest);
}

/* Back to the listening sockets, and to what waits there, unless there is a reason still to stay away. */
static void reopen(struct front *f)
{
	if (is_crowded(f))
		return;
	ev_timer_stop(f->loop, &f->door.look);
	watch_listeners(f, EPOLL_CTL_ADD);
}

/* Another front freed a place, or leaves connections to us: who was ahead may be behind by now. */
static void on_wake(struct ev_loop *loop, ev_io *w, int revents)
{
	struct door *d = w->data;
	struct front *f = d->front;
	uint64_t times;

	(void)loop;
	(void)revents;
	(void)!read(w->fd, &times, sizeof times); /* only resets it */
	admit(f);
	if (d->shut)
		return;
	if (ev_is_active(&d->look)) {
		reopen(f);
		return;
	}
	bool all = true;

	for (size_t i = 0; i < f->conf->nservers; i++)
		if (f->env->listeners[i] >= 0 && !is_crowded(f))
			all &= accept_some(f, i, TURN_MOST);
	if (is_crowded(f))
		shut(f);
	else if (!all)
		wake(f, (int)f->env->places.slot); /* they woke nobody else */
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct door *d = w->data;

	(void)loop;
	(void)revents;
	d->starved = false;
	reopen(d->front);
}

/* The listening sockets with clients, into `ready`. With only one there is nothing to ask. */
static size_t who_is_ready(const struct front *f, size_t ready[EVENTS])
{
	struct epoll_event ev[EVENTS];

	ready[0] = 0;
	if (f->conf->nservers == 1)
		return 1;
	int n = epoll_wait(f->door.epfd, ev, EVENTS, 0);

	for (int i = 0; i < n; i++)
		ready[i] = ev[i].data.u64;
	return n > 0 ? (size_t)n : 0;
}

/* One connection where there is one now and then; twice as many each time as long as they keep coming. */
static void on_arrivals(struct ev_loop *loop, ev_io *w, int revents)
{
	struct door *d = w->data;
	size_t ready[EVENTS], n = who_is_ready(d->front, ready);
	unsigned iteration = ev_iteration(loop);

	(void)revents;
	d->turn = iteration != d->full + 1 ? 1 : d->turn < TURN_MOST ? d->turn * 2 : TURN_MOST;
	for (size_t i = 0; i < n; i++)
		if (!accept_some(d->front, ready[i], d->turn))
			d->full = iteration;
	if (is_crowded(d->front))
		shut(d->front);
}

/* Sockets that are accepted inherit it. Where it fails (a Unix socket) there is nothing to delay. */
static void no_delay(const struct front *f)
{
	const int on = 1;

	for (size_t i = 0; i < f->conf->nservers; i++)
		if (f->env->listeners[i] >= 0)
			setsockopt(f->env->listeners[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static uint64_t descriptors_most(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur < FDS_SPARE + FDS_PER_CLIENT * CLIENTS_LEAST)
		return FDS_PER_CLIENT * CLIENTS_LEAST;
	return lim.rlim_cur - FDS_SPARE;
}

bool door_open(struct front *f)
{
	struct door *d = &f->door;

	*d = (struct door){
		.front = f, .epfd = epoll_create1(EPOLL_CLOEXEC), .turn = 1, .descriptors = descriptors_most()};
	if (d->epfd < 0) {
		log_line(LOG_ERR, "cannot watch listeners: %s", strerror(errno));
		return false;
	}
	d->end = &d->first;
	ev_timer_init(&d->look, on_look, LOOK_AGAIN, LOOK_AGAIN);
	ev_timer_init(&d->tick, on_tick, TICK, TICK);
	ev_io_init(&d->arrivals, on_arrivals, d->epfd, EV_READ);
	ev_io_init(&d->wake, on_wake, f->env->wake[f->env->places.slot], EV_READ);
	d->look.data = d->tick.data = d->arrivals.data = d->wake.data = d;
	if (!arrivals_open(f))
		return false;
	no_delay(f);
	watch_listeners(f, EPOLL_CTL_ADD);
	ev_io_start(f->loop, &d->arrivals);
	if (d->wake.fd >= 0)
		ev_io_start(f->loop, &d->wake);
	return true;
}

/* Nobody waits here any more. */
static void waiting_refuse(struct front *f)
{
	while (f->door.first) {
		struct waiting w = waiting_take(f);

		places_address_give(&f->places, &w.who.client);
		refuse(&w.who, ending);
	}
}

/* What the kernel has completed at one socket. Others are told to leave at the same time, so it is not much. */
static void listener_leave(struct front *f, size_t i, bool come_in)
{
	unsigned left = conf_server_queue(&f->conf->servers[i]);
	struct arrival a = {.server = &f->conf->servers[i]};

	if (come_in)
		(void)accept_some(f, i, left);
	else
		while (left-- > 0 &&
		       (a.fd = accept4(f->env->listeners[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			refuse(&a, ending);
	close(f->env->listeners[i]);
}

void door_only(struct front *f, int fd)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof ss;
	const int on = 1;

	(void)getpeername(fd, (struct sockaddr *)&ss, &len); /* one that has gone already is noticed soon enough */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct arrival a = {
		.fd = fd, .log_id = front_log_id(f), .server = &f->conf->servers[0], .client = address_of(&ss)};

	arrive(f, &a);
	front_leave(f, LEAVE_CLIENTS);
}

void door_leave(struct front *f, bool come_in)
{
	struct door *d = &f->door;

	places_leave(&f->places);
	if (!d->shut) {
		d->shut = true;
		/* Others have these sockets too: closing ours would not end the watch. */
		if (!ev_is_active(&d->look))
			watch_listeners(f, EPOLL_CTL_DEL);
		ev_timer_stop(f->loop, &d->look);
		ev_io_stop(f->loop, &d->arrivals);
		for (size_t i = 0; i < f->conf->nservers; i++)
			if (f->env->listeners[i] >= 0)
				listener_leave(f, i, come_in);
	}
	if (come_in)
		return;
	arrivals_leave(f);
	waiting_refuse(f);
}

void door_close(struct front *f)
{
	struct door *d = &f->door;

	d->admits = true; /* nobody comes in any more */
	arrivals_close(f);
	waiting_refuse(f);
	ev_timer_stop(f->loop, &d->look);
	ev_io_stop(f->loop, &d->arrivals);
	ev_io_stop(f->loop, &d->wake);
	close(d->epfd);
}
