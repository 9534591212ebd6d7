/* bench/secure_server.h - TLS for the bare server: the server's side, as cheap as the library lets one have it
 *
 * Knows no socket: what came is handed over, and what is to be sent lies ready until it was. So an answer and all that goes
 * with it (a session ticket, close_notify) leave in one write. */
#pragma once
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

/* What all connections share, made of files in PEM; NULL, and standard error says why. */
SSL_CTX *secure_server_new(const char *certificate, const char *key);

/* TLS of one connection; all zeros: there is none. */
struct secure_server {
	SSL *ssl;
};

bool secure_server_open(struct secure_server *s, SSL_CTX *ctx); /* false: no memory */
void secure_server_close(struct secure_server *s);

/* What became of octets that came. */
enum secure_heard {
	SECURE_OVER,
	SECURE_WAITS,       /* for more */
	SECURE_SHOOK_HANDS, /* just now */
	SECURE_COMMAND,     /* which is forgotten */
};
enum secure_heard secure_server_hear(struct secure_server *s, const char *p, size_t n);

/* Adds to what is to be sent; `last`: close_notify follows. */
bool secure_server_say(struct secure_server *s, const char *p, size_t n, bool last);

/* Sends it. False: it could not be sent at once. */
bool secure_server_send(struct secure_server *s, int fd);
