/* bench/bulk.c - see bulk.h */
#include "bulk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secure_server.h"

enum { CHUNK = 128 * 1024, LINE_MOST = 512, END_OF_MESSAGE = 3 };

/* One connection, in its process. */
struct peer {
	int fd, file;
	SSL *ssl; /* NULL: in the clear */
	bool copies;
	uint32_t messages;
	off_t octets; /* of the file */
	char line[LINE_MOST];
	size_t len;
};

static bool put(struct peer *p, const char *octets, size_t n, bool more)
{
	if (p->ssl)
		return SSL_write(p->ssl, octets, (int)n) == (int)n;
	return send(p->fd, octets, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0)) == (ssize_t)n;
}

static bool put_copies(struct peer *p)
{
	static char chunk[CHUNK];
	ssize_t n;

	for (off_t at = 0; at < p->octets; at += n) {
		n = pread(p->file, chunk, sizeof chunk, at);
		if (n <= 0 || !put(p, chunk, (size_t)n, at + n < p->octets))
			return false;
	}
	return true;
}

static bool put_message(struct peer *p)
{
	off_t at = 0;

	if (!put(p, "+OK\r\n", 5, true))
		return false;
	if (p->ssl || p->copies)
		return put_copies(p);
	while (at < p->octets)
		if (sendfile(p->fd, p->file, &at, (size_t)(p->octets - at)) <= 0)
			return false;
	return true;
}

/* LIST and UIDL: a line for each message, with a number in it that is the message's or the same for all. */
static bool put_listing(struct peer *p, const char *format, bool same)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	bool ok;

	if (!f)
		return false;
	fputs("+OK\r\n", f);
	for (uint32_t i = 1; i <= p->messages; i++)
		fprintf(f, format, i, same ? (uintmax_t)(p->octets - END_OF_MESSAGE) : (uintmax_t)i);
	fputs(".\r\n", f);
	ok = fclose(f) == 0 && put(p, text, n, false);
	free(text);
	return ok;
}

static bool put_stat(struct peer *p)
{
	char text[64];
	int n = snprintf(text, sizeof text, "+OK %" PRIu32 " %ju\r\n", p->messages,
			 p->messages * (uintmax_t)(p->octets - END_OF_MESSAGE));

	return put(p, text, (size_t)n, false);
}

static bool answer(struct peer *p, const char *verb)
{
	if (memcmp(verb, "RETR", 4) == 0)
		return put_message(p);
	if (memcmp(verb, "STAT", 4) == 0)
		return put_stat(p);
	if (memcmp(verb, "LIST", 4) == 0)
		return put_listing(p, "%" PRIu32 " %ju\r\n", true);
	if (memcmp(verb, "UIDL", 4) == 0)
		return put_listing(p, "%" PRIu32 " %ju\r\n", false);
	return put(p, "+OK\r\n", 5, false) && memcmp(verb, "QUIT", 4) != 0;
}

/* A command that is one read; who sends several at once would need more. */
static bool hear(struct peer *p)
{
	ssize_t n = p->ssl ? SSL_read(p->ssl, p->line, LINE_MOST) : recv(p->fd, p->line, LINE_MOST, 0);

	return n >= 6 && memcmp(p->line + n - 2, "\r\n", 2) == 0;
}

static void serve_one(struct peer *p)
{
	if ((p->ssl && SSL_accept(p->ssl) != 1) || !put(p, "+OK POP3 server ready\r\n", 23, false))
		return;
	while (hear(p) && answer(p, p->line))
		;
	if (p->ssl)
		(void)SSL_shutdown(p->ssl);
}

static SSL *over_tls(SSL_CTX *tls, int fd)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		exit(1);
	return ssl;
}

static void on_connection(const struct bulk *b, int listener, int file, SSL_CTX *tls)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct peer p = {.fd = fd, .file = file, .copies = b->copies, .messages = b->messages};
	struct stat st;

	if (fd >= 0 && fork() == 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		if (fstat(file, &st) < 0)
			exit(1);
		p.octets = st.st_size;
		p.ssl = tls ? over_tls(tls, fd) : NULL;
		serve_one(&p);
		exit(0);
	}
	if (fd >= 0)
		close(fd);
}

/* -1, and standard error says why. */
static int listen_at(const struct sockaddr_storage *addr, socklen_t len)
{
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
	    bind(fd, (const struct sockaddr *)addr, len) == 0 && listen(fd, 64) == 0)
		return fd;
	perror("popload: bulk");
	return -1;
}

int bulk_serve(const struct bulk *b)
{
	struct pollfd in[2] = {{.fd = listen_at(&b->addr, b->len), .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int file = open(b->file, O_RDONLY | O_CLOEXEC);
	SSL_CTX *tls = NULL;

	if (b->tls_len > 0) {
		tls = secure_server_new(b->certificate, b->key);
		in[1].fd = listen_at(&b->tls_addr, b->tls_len);
	}
	if (in[0].fd < 0 || file < 0 || (b->tls_len > 0 && (!tls || in[1].fd < 0))) {
		fprintf(stderr, "popload: bulk: cannot serve %s\n", b->file);
		return 1;
	}
	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	for (;;) {
		if (poll(in, 2, -1) < 0)
			return 1;
		for (int i = 0; i < 2; i++)
			if (in[i].revents & POLLIN)
				on_connection(b, in[i].fd, file, i == 1 ? tls : NULL);
	}
}
