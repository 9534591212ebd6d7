/* bench/secure.h - TLS for the load: the client's side, one handshake per session, full or resumed
 *
 * The server's certificate is not looked at: what is measured is the server. A place keeps the last session that its server gave it,
 * and offers it the next time where resumption was asked for. */
#pragma once
#include <openssl/types.h>
#include <stdbool.h>
#include <sys/types.h>

enum secure_mode { SECURE_NOT, SECURE_FULL, SECURE_RESUMED };

/* TLS of one connection. */
struct secure {
	SSL *ssl;                       /* NULL: the connection is in the clear */
	struct ssl_session_st *session; /* of the connection before, in the same place; owned */
};

/* What all connections share; NULL, and standard error says why. */
SSL_CTX *secure_new(void);

/* A new connection over fd, which connects. False: no memory. */
bool secure_open(struct secure *s, SSL_CTX *ctx, int fd, enum secure_mode mode);

/* Goes on with the handshake: 1 when it is done, 0 when the server has the word, -1 when it failed. */
int secure_handshake(struct secure *s);
bool secure_is_resumed(const struct secure *s);

/* As recv and send: 0 is the end, -1 with errno EAGAIN: nothing for now. */
ssize_t secure_recv(struct secure *s, char *p, size_t n);
ssize_t secure_send(struct secure *s, const char *p, size_t n);

/* The connection ends; its session stays for the next one. */
void secure_close(struct secure *s);
void secure_free(struct secure *s);
