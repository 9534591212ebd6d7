/* bench/bare.c - the bound: a server that knows nothing, see bare_serve in load.h
 *
 * The replies are those of a poll of 20 messages, so that the client that checks all others can drive this one too, and both
 * exchange as many octets in as many round trips. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum {
	MESSAGES = 20,
	OCTETS = 2345,
	REPLIES = 7,
	REPLY_MOST = 2048,
	EVENTS = 256,
	LINES_MOST = 512,
	CONNECTIONS_MOST = 65536
};

static struct reply {
	char octets[REPLY_MOST];
	size_t n;
} replies[REPLIES];

/* By descriptor: the reply that is next. */
static uint8_t next_reply[CONNECTIONS_MOST];

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

/* False: it is over. */
static bool say(int fd)
{
	const struct reply *r = &replies[next_reply[fd]++];

	return send(fd, r->octets, r->n, MSG_NOSIGNAL) == (ssize_t)r->n && next_reply[fd] < REPLIES;
}

static void on_line(int fd)
{
	char in[LINES_MOST];

	if (recv(fd, in, sizeof in, 0) <= 0 || !say(fd))
		close(fd);
}

static void on_connection(int listener, int epoll)
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
	next_reply[fd] = 0;
	if (!say(fd))
		close(fd);
}

int bare_serve(const struct sockaddr *addr, socklen_t len)
{
	int listener = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};

	make_replies();
	if (listener < 0 || epoll < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
	    bind(listener, addr, len) < 0 || listen(listener, 4096) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, ev) < 0) {
		perror("popload: serve");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(epoll, ev, EVENTS, -1);

		if (n < 0 && errno != EINTR) {
			perror("popload: epoll_wait");
			return 1;
		}
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == listener)
				on_connection(listener, epoll);
			else
				on_line(ev[i].data.fd);
		}
	}
}
