/* bench/bare.c - the bound: a server that knows nothing, see bare.h
 *
 * The replies are those of a poll of 20 messages, so that the client that checks all others can drive this one too, and both
 * exchange as many octets in as many round trips. */
#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "secure_server.h"

enum {
	MESSAGES = 20,
	OCTETS = 2345,
	REPLIES = 7,
	REPLY_MOST = 2048,
	EVENTS = 256,
	OCTETS_MOST = 4096, /* more than a ClientHello takes */
	CONNECTIONS_MOST = 65536
};

static struct reply {
	char octets[REPLY_MOST];
	size_t n;
} replies[REPLIES];

static struct place {
	uint8_t next; /* reply */
	struct secure_server secure;
} places[CONNECTIONS_MOST]; /* by descriptor */

static void reply_add(struct reply *r, const char *text)
{
	size_t n = strlen(text);

	memcpy(r->octets + r->n, text, n + 1);
	r->n += n;
}

static void make_replies(void)
{
	char line[80];

	reply_add(&replies[0], "+OK POP3 server ready\r\n");
	reply_add(&replies[1], "+OK\r\n");
	reply_add(&replies[2], "+OK maildrop has 20 messages (46900 octets)\r\n");
	reply_add(&replies[3], "+OK 20 46900\r\n");
	reply_add(&replies[4], "+OK\r\n");
	reply_add(&replies[5], "+OK\r\n");
	for (unsigned i = 1; i <= MESSAGES; i++) {
		snprintf(line, sizeof line, "%u %032x\r\n", i, i * 0x9e3779b1u);
		reply_add(&replies[4], line);
		snprintf(line, sizeof line, "%u %d\r\n", i, OCTETS);
		reply_add(&replies[5], line);
	}
	reply_add(&replies[4], ".\r\n");
	reply_add(&replies[5], ".\r\n");
	reply_add(&replies[6], "+OK\r\n");
}

/* The next reply. False: it is over. */
static bool say(int fd)
{
	struct place *c = &places[fd];
	const struct reply *r = &replies[c->next++];
	bool last = c->next == REPLIES;

	if (c->secure.ssl)
		return secure_server_say(&c->secure, r->octets, r->n, last) && secure_server_send(&c->secure, fd) &&
		       !last;
	return send(fd, r->octets, r->n, MSG_NOSIGNAL) == (ssize_t)r->n && !last;
}

static bool hear(int fd, const char *in, size_t n)
{
	struct secure_server *s = &places[fd].secure;
	enum secure_heard heard = s->ssl ? secure_server_hear(s, in, n) : SECURE_COMMAND;

	if (heard == SECURE_WAITS)
		return secure_server_send(s, fd);
	return heard != SECURE_OVER && say(fd);
}

static void leave(int fd)
{
	secure_server_close(&places[fd].secure);
	close(fd);
}

static void on_octets(int fd)
{
	char in[OCTETS_MOST];
	ssize_t n = recv(fd, in, sizeof in, 0);

	if (n <= 0 || !hear(fd, in, (size_t)n))
		leave(fd);
}

static void on_connection(int listener, int epoll, SSL_CTX *tls)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0)
		return;
	if (fd >= CONNECTIONS_MOST || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	places[fd] = (struct place){0};
	if (tls ? !secure_server_open(&places[fd].secure, tls) : !say(fd))
		leave(fd);
}

/* -1, and standard error says why. */
static int listen_at(const struct sockaddr_storage *addr, socklen_t len, int epoll)
{
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
	    bind(fd, (const struct sockaddr *)addr, len) == 0 && listen(fd, 4096) == 0 &&
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return fd;
	perror("popload: serve");
	return -1;
}

static int serve(int epoll, int plain, int secure, SSL_CTX *tls)
{
	struct epoll_event ev[EVENTS];

	for (;;) {
		int n = epoll_wait(epoll, ev, EVENTS, -1);

		if (n < 0 && errno != EINTR) {
			perror("popload: epoll_wait");
			return 1;
		}
		for (int i = 0; i < n; i++) {
			int fd = ev[i].data.fd;

			if (fd == plain || fd == secure)
				on_connection(fd, epoll, fd == secure ? tls : NULL);
			else
				on_octets(fd);
		}
	}
}

int bare_serve(const struct bare *b)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int plain = listen_at(&b->addr, b->len, epoll), secure = -1;
	SSL_CTX *tls = NULL;

	make_replies();
	if (b->tls_len > 0) {
		tls = secure_server_new(b->certificate, b->key);
		secure = listen_at(&b->tls_addr, b->tls_len, epoll);
	}
	if (plain < 0 || (b->tls_len > 0 && (!tls || secure < 0)))
		return 1;
	return serve(epoll, plain, secure, tls);
}
