/* backend/radius/client.c - see client.h */
#include "backend/radius/client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* One server's turn in a question. */
struct turn {
	const struct radius_client *c;
	const struct radius_server *server;
	const struct packet *request;
	struct radius_answer *a;
	int fd;
	uint64_t ends_ms, resend_ms;
	unsigned dropped;
	enum reply last; /* what was wrong with the last one dropped */
};

/* Names are looked up for each question: servers move. An address costs nothing. -1 with errno, or 0 in it. */
static int server_connect(const struct radius_server *sv, struct why *why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
	int error = getaddrinfo(sv->host, sv->port, &hints, &found), fd = -1;

	if (error) {
		(void)fail(why, ERR_TEMP, "%s: %s", sv->label, gai_strerror(error));
		return -1;
	}
	for (struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
			int saved = errno;

			close(fd);
			fd = -1;
			errno = saved;
		}
	}
	if (fd < 0)
		(void)fail_errno(why, ERR_TEMP, "%s", sv->label);
	freeaddrinfo(found);
	return fd;
}

static bool resend(const struct turn *t)
{
	const struct packet *p = t->request;
	ssize_t n = send(t->fd, p->octets, p->n, MSG_NOSIGNAL);

	return n == (ssize_t)p->n || errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
}

/* Reads what is there. 1: the answer; 0: nothing more; -1: with errno, nobody is there. */
static int receive(struct turn *t)
{
	for (;;) {
		ssize_t n = recv(t->fd, t->a->octets, sizeof t->a->octets, 0);
		struct slice packet = {t->a->octets, n > 0 ? (size_t)n : 0};

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		enum reply says =
			reply_check(packet, t->request, secret_slice(t->server->secret), t->c->must_be_signed);

		if (says == REPLY_GOOD) {
			t->a->packet = packet;
			t->a->from = t->server->label;
			return 1;
		}
		t->last = says;
		t->dropped++;
	}
}

/* Waits for a datagram, to the time of the next one of ours. */
static void wait_for_more(const struct turn *t, uint64_t now)
{
	uint64_t until = t->resend_ms < t->ends_ms ? t->resend_ms : t->ends_ms;
	struct pollfd p = {.fd = t->fd, .events = POLLIN};

	if (until > now)
		(void)poll(&p, 1, (int)(until - now)); /* what it says, receive sees */
}

static enum err no_answer(const struct turn *t, struct why *why)
{
	if (t->dropped)
		return fail(why, ERR_TEMP, "%s: no answer; replies that were dropped: %u, the last one %s",
			    t->server->label, t->dropped, reply_text[t->last]);
	return fail(why, ERR_TEMP, "%s: no answer", t->server->label);
}

static enum err wait_answer(struct turn *t, struct why *why)
{
	for (uint64_t now = clock_ms(); now < t->ends_ms; now = clock_ms()) {
		if (now >= t->resend_ms) {
			if (!resend(t))
				return fail_errno(why, ERR_TEMP, "%s", t->server->label);
			t->resend_ms = now + t->c->timeout_ms;
		}
		wait_for_more(t, now);
		int got = receive(t);

		if (got > 0)
			return OK;
		if (got < 0)
			return fail_errno(why, ERR_TEMP, "%s", t->server->label);
	}
	return no_answer(t, why);
}

static enum err request_make(struct packet *p, const struct radius_question *q, struct slice secret, struct why *why)
{
	uint8_t random[AUTHENTICATOR + 1];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return fail_errno(why, ERR_TEMP, "no random numbers");
	packet_begin(p, random[AUTHENTICATOR], random);
	enum err err = q->put(q->arg, p, secret, why);

	if (err == OK && p->full)
		err = fail(why, ERR_PERM, "the request has more than %d octets", PACKET_MOST);
	if (err == OK && !packet_sign(p, secret))
		err = fail(why, ERR_TEMP, "MD5 cannot be computed");
	return err;
}

/* Whoever forges replies, or a secret that is not the server's, is told once in a question. */
static void tell_dropped(struct radius_client *c, const struct turn *t)
{
	c->dropped += t->dropped;
	if (t->dropped)
		log_line(LOG_WARNING, "radius: %s: %u replies dropped, the last one %s (%llu since the start)",
			 t->server->label, t->dropped, reply_text[t->last], (unsigned long long)c->dropped);
}

static enum err ask_server(struct radius_client *c, const struct radius_server *sv, const struct radius_question *q,
			   uint64_t ends_ms, struct radius_answer *a, bool *asked, struct why *why)
{
	struct packet p = {.n = 0};
	struct turn t = {.c = c, .server = sv, .request = &p, .a = a, .ends_ms = ends_ms};
	enum err err = request_make(&p, q, secret_slice(sv->secret), why);

	*asked = err == OK;
	if (err == OK) {
		t.fd = server_connect(sv, why);
		err = t.fd < 0 ? ERR_TEMP : wait_answer(&t, why);
		if (t.fd >= 0)
			close(t.fd);
		tell_dropped(c, &t);
	}
	packet_wipe(&p);
	return err;
}

/* Each server gets its share of the time that is left. */
enum err radius_ask(struct radius_client *c, const struct radius_question *q, uint64_t deadline_ms,
		    struct radius_answer *a, struct why *why)
{
	enum err err = fail(why, ERR_TEMP, "radius: no time is left");
	size_t first = c->first;

	for (size_t i = 0; i < c->n; i++) {
		size_t at = (first + i) % c->n;
		uint64_t now = clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
		uint64_t share = left / (c->n - i);
		struct why reason = {""};
		bool asked;

		if (left == 0)
			break;
		err = ask_server(c, &c->server[at], q, now + share, a, &asked, &reason);
		(void)fail(why, err, "radius: %s", reason.text);
		if (err == OK)
			c->first = at;
		if (err == OK || !asked)
			break;
	}
	return err;
}
