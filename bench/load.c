/* bench/load.c - see load.h */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "dialogue.h"

enum { BUFFER = 64 * 1024, SAID_MOST = 16 * 1024, EVENTS = 256, TICK_MS = 1000, US = 1000 * 1000, PRINTED_MOST = 10 };

/* A connection, and the place for those after it. */
struct conn {
	int fd;         /* -1: none */
	uint32_t place; /* 0 to places - 1: whose users are place, place + places, ... */
	uint32_t round; /* which of them is next */
	bool held, ended;
	bool connects; /* or is in the handshake of TLS */
	struct secure secure;
	uint64_t began_us, heard_us, step_us; /* since when: the session, silence, the step */
	struct dialogue d;
	char *in; /* BUFFER octets while there is a connection */
	size_t len;
};

struct load {
	const struct options *opt;
	struct totals *t;
	struct conn *conn;
	uint32_t places;
	uint32_t *vacant; /* places without a connection, a stack */
	uint32_t nvacant;
	uint32_t started; /* sessions */
	uint32_t open;    /* connections */
	uint32_t held;
	bool released;
	int epoll;
	SSL_CTX *tls; /* NULL: in the clear */
	uint64_t began_us, ended_us;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US + (uint64_t)ts.tv_nsec / 1000;
}

static bool has_more(const struct load *l)
{
	const struct options *opt = l->opt;

	if (l->t->errors >= opt->errors_most)
		return false;
	if (opt->once)
		return l->started < opt->nusers;
	if (opt->sessions)
		return l->started < opt->sessions;
	return now_us() - l->began_us < (uint64_t)opt->seconds * US;
}

/* No two places share a user, so no session finds its maildrop in use. */
static struct user *next_user(const struct load *l, struct conn *c)
{
	uint32_t n = (l->opt->nusers - c->place + l->places - 1) / l->places;

	return &l->opt->users[l->opt->once ? l->started : c->place + c->round++ % n * l->places];
}

static void conn_close(struct load *l, struct conn *c)
{
	secure_close(&c->secure);
	close(c->fd);
	c->fd = -1;
	l->vacant[l->nvacant++] = c->place;
	l->open--;
	l->held -= c->held;
	l->ended_us = now_us();
}

static void conn_fail(struct load *l, struct conn *c)
{
	if (l->t->errors++ < PRINTED_MOST)
		fprintf(stderr, "popload: %s, %s: %s\n", c->d.user->name, dialogue_at(&c->d), c->d.why);
	conn_close(l, c);
}

/* What cannot be sent at once to a server that has nothing else to read will not be sent later. */
static void conn_say(struct load *l, struct conn *c)
{
	char out[SAID_MOST];

	if (dialogue_begins_step(&c->d))
		c->step_us = now_us();
	size_t n = dialogue_say(&c->d, out, sizeof out);
	ssize_t sent = l->tls ? secure_send(&c->secure, out, n) : send(c->fd, out, n, MSG_NOSIGNAL);

	if (sent != (ssize_t)n) {
		dialogue_fail(&c->d, "send: %s", strerror(errno));
		conn_fail(l, c);
		return;
	}
	l->t->octets_out += n;
}

/* Connects without waiting; the greeting, or the lack of it, tells. */
static bool conn_open(struct load *l, struct conn *c)
{
	const struct options *opt = l->opt;
	struct epoll_event ev = {.events = EPOLLIN | (l->tls ? EPOLLOUT : 0), .data.ptr = c};

	dialogue_begin(&c->d, opt, next_user(l, c));
	c->len = 0;
	c->held = c->ended = false;
	c->connects = l->tls;
	c->began_us = c->heard_us = c->step_us = now_us();
	c->in = c->in ? c->in : malloc(BUFFER);
	c->fd = socket(opt->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!c->in || c->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0 ||
	    (l->tls && !secure_open(&c->secure, l->tls, c->fd, opt->secure))) {
		perror("popload: a connection");
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	l->started++;
	l->open++;
	if (connect(c->fd, (const struct sockaddr *)&opt->addr, opt->addr_len) < 0 && errno != EINPROGRESS) {
		dialogue_fail(&c->d, "connect: %s", strerror(errno));
		conn_fail(l, c);
	}
	return true;
}

static void note_latency(struct totals *t, uint64_t us)
{
	if (t->latencies == t->latencies_room) {
		size_t room = 2 * t->latencies_room + 1024;
		uint32_t *latency = realloc(t->latency, room * sizeof *latency);

		if (!latency)
			return;
		t->latency = latency;
		t->latencies_room = room;
	}
	t->latency[t->latencies++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* Lines of RFC 1939, section 3, end in CRLF and nothing else. HEARD_MORE: the buffer has no further whole line. */
static enum heard hear_lines(struct conn *c)
{
	char *p = c->in, *end = c->in + c->len, *lf;
	enum heard heard = HEARD_MORE;
	bool say = false;

	while (heard == HEARD_MORE && p < end && (lf = memchr(p, '\n', (size_t)(end - p)))) {
		if (lf == p || lf[-1] != '\r')
			return dialogue_fail(&c->d, "a line that does not end in CRLF");
		heard = dialogue_hear(&c->d, (struct text){p, (size_t)(lf - 1 - p)});
		p = lf + 1;
		if (heard == HEARD_SAY && dialogue_awaits(&c->d)) { /* other replies are on their way */
			say = true;
			heard = HEARD_MORE;
		}
	}
	c->len = (size_t)(end - p);
	if (heard != HEARD_MORE && heard != HEARD_WRONG && c->len > 0)
		return dialogue_fail(&c->d, "octets behind the end of the reply");
	if (c->len == BUFFER)
		return dialogue_fail(&c->d, "an endless line");
	memmove(c->in, p, c->len);
	return heard == HEARD_MORE && say ? HEARD_SAY : heard;
}

/* What was heard last has ended it; what checking it took does not count. */
static void note_step(const struct load *l, const struct conn *c, unsigned step)
{
	l->t->step_us[step] += c->heard_us - c->step_us;
	l->t->step_count[step]++;
}

/* The reply to QUIT has come. */
static void conn_end(struct load *l, struct conn *c)
{
	c->ended = true;
	note_latency(l->t, now_us() - c->began_us);
}

static void conn_hear(struct load *l, struct conn *c)
{
	unsigned step = dialogue_step(&c->d);
	enum heard heard = c->ended ? dialogue_fail(&c->d, "octets behind the reply to QUIT") : hear_lines(c);

	if (heard == HEARD_END || (heard != HEARD_WRONG && dialogue_step(&c->d) != step))
		note_step(l, c, step);
	if (heard == HEARD_WRONG)
		conn_fail(l, c);
	else if (heard == HEARD_SAY)
		conn_say(l, c);
	else if (heard == HEARD_END)
		conn_end(l, c);
	else if (heard == HEARD_HOLD) {
		c->held = true;
		l->held++;
		free(c->in); /* thousands of them wait */
		c->in = NULL;
	}
}

static void conn_eof(struct load *l, struct conn *c, const char *why)
{
	if (!c->ended) {
		dialogue_fail(&c->d, "%s", why);
		conn_fail(l, c);
		return;
	}
	l->t->sessions++;
	l->t->messages += c->d.fetched;
	l->t->verified += c->d.verified;
	conn_close(l, c);
}

/* The connection is made, or the server has answered in the handshake. */
static void on_handshake(struct load *l, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int done = secure_handshake(&c->secure);

	if (done < 0 || epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev) < 0) {
		dialogue_fail(&c->d, "TLS handshake: %s", strerror(errno));
		conn_fail(l, c);
		return;
	}
	if (done == 0)
		return;
	c->connects = false;
	l->t->handshakes++;
	l->t->resumed += secure_is_resumed(&c->secure);
}

/* False: there is nothing more for now, or the connection is closed. */
static bool read_once(struct load *l, struct conn *c)
{
	c->in = c->in ? c->in : malloc(BUFFER);
	if (!c->in) {
		conn_eof(l, c, "no memory");
		return false;
	}
	ssize_t n = l->tls ? secure_recv(&c->secure, c->in + c->len, BUFFER - c->len)
			   : recv(c->fd, c->in + c->len, BUFFER - c->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		conn_eof(l, c, n == 0 ? "the server closed" : strerror(errno));
		return false;
	}
	c->heard_us = now_us();
	l->t->octets_in += (uint64_t)n;
	c->len += (size_t)n;
	conn_hear(l, c);
	return l->tls && c->fd >= 0; /* what TLS has read already nobody is told of */
}

static void on_ready(struct load *l, struct conn *c)
{
	if (c->connects)
		on_handshake(l, c);
	while (c->fd >= 0 && !c->connects && read_once(l, c))
		;
}

/* Fills free places. In a scenario that holds, only so many at a time are on their way to the hold. */
static bool start_sessions(struct load *l)
{
	uint32_t most = l->opt->scenario->holds ? l->opt->clients + l->held : l->places;

	while (l->nvacant > 0 && l->open < most && has_more(l))
		if (!conn_open(l, &l->conn[l->vacant[--l->nvacant]]))
			return false;
	return true;
}

static void give_up_slow(struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < l->places; i++) {
		struct conn *c = &l->conn[i];

		if (c->fd >= 0 && !c->held && c->heard_us + (uint64_t)l->opt->patience * US < now) {
			dialogue_fail(&c->d, "no answer for %" PRIu32 " s", l->opt->patience);
			conn_fail(l, c);
		}
	}
}

static void release_all(struct load *l)
{
	l->released = true;
	for (uint32_t i = 0; i < l->places; i++) {
		struct conn *c = &l->conn[i];

		if (c->fd < 0 || !c->held)
			continue;
		c->held = false;
		l->held--;
		c->began_us = c->heard_us = c->step_us = now_us();
		dialogue_release(&c->d);
		conn_say(l, c);
	}
}

/* All are held: says so, and goes on when standard input ends. A held connection that says or ends something meanwhile has
 * failed. */
static void hold(struct load *l)
{
	struct pollfd in[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = l->epoll, .events = POLLIN}};
	char octet;

	printf("held=%" PRIu32 "\n", l->held);
	fflush(stdout);
	while (poll(in, 1, -1) < 0 || read(STDIN_FILENO, &octet, 1) > 0)
		;
	struct epoll_event ev[EVENTS];

	for (int n; (n = epoll_wait(l->epoll, ev, EVENTS, 0)) > 0;)
		for (int i = 0; i < n; i++)
			on_ready(l, ev[i].data.ptr);
	release_all(l);
}

static bool run(struct load *l)
{
	struct epoll_event ev[EVENTS];
	uint64_t tick = now_us();

	while (start_sessions(l) && l->open > 0) {
		if (l->opt->scenario->holds && !l->released && l->held == l->open && !has_more(l)) {
			hold(l);
			continue;
		}
		int n = epoll_wait(l->epoll, ev, EVENTS, TICK_MS);
		uint64_t now = now_us();

		for (int i = 0; i < n; i++)
			on_ready(l, ev[i].data.ptr);
		if (now - tick > (uint64_t)TICK_MS * 1000) {
			give_up_slow(l, now);
			tick = now;
		}
	}
	return l->open == 0;
}

static void load_free(struct load *l)
{
	for (uint32_t i = 0; l->conn && i < l->places; i++) {
		free(l->conn[i].in);
		secure_free(&l->conn[i].secure);
		dialogue_free(&l->conn[i].d);
	}
	free(l->conn);
	free(l->vacant);
	SSL_CTX_free(l->tls);
	if (l->epoll >= 0)
		close(l->epoll);
}

static bool load_init(struct load *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->conn = calloc(l->places, sizeof *l->conn);
	l->vacant = calloc(l->places, sizeof *l->vacant);
	l->tls = l->opt->secure != SECURE_NOT ? secure_new() : NULL;
	if (l->epoll < 0 || !l->conn || !l->vacant || (l->opt->secure != SECURE_NOT && !l->tls)) {
		perror("popload");
		return false;
	}
	for (uint32_t i = l->places; i-- > 0;) {
		l->conn[i].fd = -1;
		l->conn[i].place = i;
		l->vacant[l->nvacant++] = i;
	}
	l->began_us = l->ended_us = now_us();
	return true;
}

bool load_run(const struct options *opt, struct totals *t)
{
	struct load l = {.opt = opt, .t = t, .places = opt->scenario->holds ? opt->nusers : opt->clients};
	bool ok = load_init(&l) && run(&l);

	t->wall = (double)(l.ended_us - l.began_us) / US;
	load_free(&l);
	return ok;
}
