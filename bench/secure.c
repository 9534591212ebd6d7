/* bench/secure.c - see secure.h */
#include "secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* The server has sent a session; with TLS 1.3 that is behind the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct secure *s = SSL_get_app_data(ssl);

	SSL_SESSION_free(s->session);
	s->session = session;
	return 1; /* it is ours */
}

SSL_CTX *secure_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		ERR_print_errors_fp(stderr);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return ctx;
}

bool secure_open(struct secure *s, SSL_CTX *ctx, int fd, enum secure_mode mode)
{
	s->ssl = SSL_new(ctx);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
		return false;
	SSL_set_app_data(s->ssl, s);
	SSL_set_connect_state(s->ssl);
	return mode != SECURE_RESUMED || !s->session || SSL_set_session(s->ssl, s->session) == 1;
}

/* What a call that did not succeed means: 0 where the server has the word, else -1. */
static int outcome(struct secure *s, int result)
{
	int error = SSL_get_error(s->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return 0;
	}
	if (error != SSL_ERROR_SYSCALL || errno == 0)
		errno = EPROTO;
	ERR_clear_error();
	return -1;
}

int secure_handshake(struct secure *s)
{
	errno = 0;
	int result = SSL_do_handshake(s->ssl);

	return result == 1 ? 1 : outcome(s, result);
}

bool secure_is_resumed(const struct secure *s)
{
	return SSL_session_reused(s->ssl);
}

ssize_t secure_recv(struct secure *s, char *p, size_t n)
{
	size_t got;

	errno = 0;
	int result = SSL_read_ex(s->ssl, p, n, &got);

	if (result == 1)
		return (ssize_t)got;
	if (SSL_get_error(s->ssl, result) == SSL_ERROR_ZERO_RETURN)
		return 0;
	(void)outcome(s, result);
	return -1;
}

ssize_t secure_send(struct secure *s, const char *p, size_t n)
{
	size_t put;

	errno = 0;
	int result = SSL_write_ex(s->ssl, p, n, &put);

	if (result == 1)
		return (ssize_t)put;
	(void)outcome(s, result);
	return -1;
}

void secure_close(struct secure *s)
{
	if (s->ssl)
		(void)SSL_shutdown(s->ssl); /* the server has gone already */
	ERR_clear_error();
	SSL_free(s->ssl);
	s->ssl = NULL;
}

void secure_free(struct secure *s)
{
	secure_close(s);
	SSL_SESSION_free(s->session);
	s->session = NULL;
}
