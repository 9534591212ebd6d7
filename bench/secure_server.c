/* bench/secure_server.c - see secure_server.h */
#include "secure_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>

SSL_CTX *secure_server_new(const char *certificate, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx && SSL_CTX_use_certificate_chain_file(ctx, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1) { /* the cheapest */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
		SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bare", 4);
		return ctx;
	}
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}

bool secure_server_open(struct secure_server *s, SSL_CTX *ctx)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	s->ssl = SSL_new(ctx);
	if (!in || !out || !s->ssl) {
		BIO_free(in);
		BIO_free(out);
		secure_server_close(s);
		return false;
	}
	SSL_set_bio(s->ssl, in, out); /* owns them now */
	SSL_set_accept_state(s->ssl);
	return true;
}

void secure_server_close(struct secure_server *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
}

enum secure_heard secure_server_hear(struct secure_server *s, const char *p, size_t n)
{
	bool begins = !SSL_is_init_finished(s->ssl);
	char command[512];
	int result;

	if (BIO_write(SSL_get_rbio(s->ssl), p, (int)n) != (int)n)
		return SECURE_OVER;
	result = begins ? SSL_do_handshake(s->ssl) : SSL_read(s->ssl, command, sizeof command);
	if (result > 0)
		return begins ? SECURE_SHOOK_HANDS : SECURE_COMMAND;
	result = SSL_get_error(s->ssl, result);
	ERR_clear_error();
	return result == SSL_ERROR_WANT_READ ? SECURE_WAITS : SECURE_OVER;
}

bool secure_server_say(struct secure_server *s, const char *p, size_t n, bool last)
{
	if (SSL_write(s->ssl, p, (int)n) != (int)n)
		return false;
	if (last)
		(void)SSL_shutdown(s->ssl); /* 0: the client's is not awaited */
	return true;
}

bool secure_server_send(struct secure_server *s, int fd)
{
	BIO *out = SSL_get_wbio(s->ssl);
	char *p;
	long n = BIO_get_mem_data(out, &p);

	if (n > 0 && send(fd, p, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	(void)BIO_reset(out);
	return true;
}
