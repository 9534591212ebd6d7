/* front/tls.c - see tls.h */
#include "front/tls.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipc/certificate.h"

enum {
	READS_MOST = 4,       /* records that bring nothing (requests for new keys) could otherwise keep us for ever */
	EXPORTED_OCTETS = 32, /* RFC 9266, section 2 */
};

struct tls_server {
	SSL_CTX *ctx;
	const struct tickets *tickets;
	EVP_CIPHER *ticket_cipher; /* found once: OpenSSL would look for it by its name in each handshake */
	BIO_METHOD *socket;        /* how connections read and write */
};

/* --- the socket, as OpenSSL sees it --- */

static bool records_take(struct tls *t)
{
	if (!t->out.p)
		t->out = (struct buf){.p = pool_take(t->pool), .cap = t->pool->octets};
	return t->out.p;
}

static void records_drop(struct tls *t)
{
	if (t->out.p)
		pool_give(t->pool, t->out.p);
	t->out = (struct buf){0};
	t->out_sent = 0;
}

static bool records_have_room(struct tls *t, size_t octets)
{
	if (t->out.p && t->out.cap - t->out.len < octets && !tls_flush(t, 0))
		return false;
	if (records_take(t))
		return true;
	errno = ENOMEM;
	return false;
}

static int on_write(BIO *b, const char *p, int n)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (!records_have_room(t, (size_t)n < t->pool->octets ? (size_t)n : t->pool->octets)) {
		if (errno == EAGAIN)
			BIO_set_retry_write(b);
		return -1;
	}
	size_t room = t->out.cap - t->out.len, taken = (size_t)n < room ? (size_t)n : room;

	buf_put(&t->out, (struct slice){p, taken});
	return (int)taken;
}

static int on_read(BIO *b, char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t got = -1;

	errno = EAGAIN;
	if (t->reads++ < READS_MOST)
		got = recv(t->fd, p, (size_t)n, MSG_DONTWAIT);
	if (got > 0 && got < n) /* all that was there: what comes next, or the end, is told by the event loop */
		t->reads = READS_MOST;
	BIO_clear_retry_flags(b);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	t->eof |= got == 0;
	return (int)got;
}

static long on_control(BIO *b, int command, long n, void *p)
{
	const struct tls *t = BIO_get_data(b);

	(void)n;
	(void)p;
	if (command == BIO_CTRL_EOF)
		return t->eof;
	return command == BIO_CTRL_FLUSH; /* the session says when */
}

static BIO_METHOD *socket_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pop3d socket");

	if (m && BIO_meth_set_write(m, on_write) && BIO_meth_set_read(m, on_read) && BIO_meth_set_ctrl(m, on_control))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* --- tickets --- */

/* RFC 5077, section 4: AES-256 in CBC mode and HMAC-SHA-256, each with its own key. */
static int use_key(const struct tls_server *sv, const struct ticket_key *k, const unsigned char *iv,
		   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->hmac, sizeof k->hmac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)SN_sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex2(cipher, sv->ticket_cipher, k->aes, iv, encrypts, NULL) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* What OpenSSL wants to hear: -1 it failed, 0 make a full handshake, 1 fine, 2 fine and give the client a new ticket: always
 * with TLS 1.3, where clients use each one once (RFC 8446, appendix C.4). */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		     int encrypts)
{
	const struct tls_server *sv = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct ticket_key *current = tickets_current(sv->tickets), *k = current;

	if (encrypts) {
		memcpy(name, k->name, TICKET_NAME_OCTETS);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(sv->ticket_cipher)) != 1)
			return -1;
	} else {
		k = tickets_find(sv->tickets, name);
	}
	if (!k)
		return 0;
	if (!use_key(sv, k, iv, cipher, mac, encrypts))
		return -1;
	return k == current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

static bool hash_authorities(EVP_MD_CTX *h, const SSL_CTX *ctx)
{
	const STACK_OF(X509_OBJECT) *all = NULL;
	X509_STORE *store = NULL;
	bool fine = SSL_CTX_get0_verify_cert_store((SSL_CTX *)ctx, &store) == 1;

	all = fine && store ? X509_STORE_get0_objects(store) : NULL;
	for (int i = 0; fine && all && i < sk_X509_OBJECT_num(all); i++) {
		X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
		unsigned char digest[EVP_MAX_MD_SIZE];
		unsigned n = 0;

		fine = ca && X509_digest(ca, EVP_sha256(), digest, &n) == 1 && EVP_DigestUpdate(h, digest, n) == 1;
	}
	return fine;
}

/* A session is resumed only where certificate, priorities and what is asked of clients are what they were: a ticket says that the client's
 * certificate was verified. */
static bool bind_sessions(SSL_CTX *ctx, const struct conf_tls *tls)
{
	unsigned char own[EVP_MAX_MD_SIZE], id[EVP_MAX_MD_SIZE];
	const char *priorities = tls->priorities.text;
	int mode = SSL_CTX_get_verify_mode(ctx);
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	unsigned n = 0;
	bool fine = h && X509_digest(SSL_CTX_get0_certificate(ctx), EVP_sha256(), own, &n) == 1 &&
		    EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(h, own, n) == 1 &&
		    EVP_DigestUpdate(h, priorities, strlen(priorities) + 1) == 1 &&
		    EVP_DigestUpdate(h, &mode, sizeof mode) == 1 && hash_authorities(h, ctx) &&
		    EVP_DigestFinal_ex(h, id, &n) == 1;

	EVP_MD_CTX_free(h);
	return fine && SSL_CTX_set_session_id_context(ctx, id, n) == 1;
}

/* --- a server --- */

static bool server_init(struct tls_server *sv, const struct conf_tls *tls)
{
	SSL_CTX *ctx = sv->ctx;

	SSL_CTX_set_app_data(ctx, sv);
	SSL_CTX_set_read_ahead(ctx, 1); /* one read for header and body of a record */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_timeout(ctx, TICKETS_LIFETIME_S);
	sv->socket = socket_method();
	sv->ticket_cipher = EVP_CIPHER_fetch(NULL, SN_aes_256_cbc, NULL);
	return sv->socket && sv->ticket_cipher && bind_sessions(ctx, tls) &&
	       SSL_CTX_set_num_tickets(ctx, tls->priorities.no_tickets ? 0 : 1) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}

struct tls_server *tls_server_new(int certificate, const struct conf_tls *tls, const struct tickets *tickets,
				  struct why *why)
{
	struct tls_server *sv = calloc(1, sizeof *sv);

	if (!sv) {
		(void)fail(why, ERR_TEMP, "no memory for TLS");
		return NULL;
	}
	sv->tickets = tickets;
	sv->ctx = certificate_open(certificate, tls, why);
	if (sv->ctx && server_init(sv, tls))
		return sv;
	if (sv->ctx)
		(void)fail(why, ERR_TEMP, "no memory for TLS");
	tls_server_free(sv);
	return NULL;
}

void tls_server_free(struct tls_server *sv)
{
	if (!sv)
		return;
	SSL_CTX_free(sv->ctx);
	EVP_CIPHER_free(sv->ticket_cipher);
	BIO_meth_free(sv->socket);
	free(sv);
}

/* --- a connection --- */

bool tls_init(struct tls *t, struct tls_server *sv, int fd, struct pool *pool)
{
	BIO *b = BIO_new(sv->socket);
	SSL *ssl = b ? SSL_new(sv->ctx) : NULL;

	*t = (struct tls){0};
	if (!ssl) {
		BIO_free(b);
		return false;
	}
	*t = (struct tls){.ssl = ssl, .fd = fd, .pool = pool};
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b); /* owns it now */
	SSL_set_accept_state(ssl);
	return true;
}

void tls_done(struct tls *t)
{
	SSL_free(t->ssl);
	records_drop(t);
	*t = (struct tls){0};
}

bool tls_is_on(const struct tls *t)
{
	return t->ssl;
}

/* Before each call whose failure is to be told. Mostly there are none, and to look is cheaper than to clear all places for them. */
static void errors_forget(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* Lets go of OpenSSL's buffers, if nothing is left in them. What was read from one was wiped then; SSL_MODE_RELEASE_BUFFERS would
 * wipe all of its 16 KiB once more each time. */
static void buffers_drop(struct tls *t)
{
	if (SSL_has_pending(t->ssl))
		return;
	SSL_clear_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	(void)SSL_free_buffers(t->ssl);
	SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

/* Behind a call that gave `result`: true where it is only to be made again later. */
static bool only_waits(struct tls *t, int result)
{
	int error = SSL_get_error(t->ssl, result);

	t->more = error == SSL_ERROR_WANT_WRITE; /* then the socket need not say anything before the next read */
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return true;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	t->reason = reason ? reason : t->eof ? "the client closed the connection" : "connection lost";
	ERR_clear_error();
	return false;
}

enum tls_state tls_handshake(struct tls *t)
{
	errors_forget();
	t->reads = 0;
	int result = SSL_do_handshake(t->ssl);

	buffers_drop(t);
	if (result != 1)
		return only_waits(t, result) ? TLS_WAITS : TLS_BROKEN;
	t->done = true;
	t->more = SSL_has_pending(t->ssl);
	return TLS_ESTABLISHED;
}

/* All records that have come, as far as there is room: commands that were sent together are answered together. */
ssize_t tls_read(struct tls *t, char *p, size_t n)
{
	size_t len = 0;
	int got;

	if (t->reason) {
		errno = EPROTO;
		return -1;
	}
	t->reads = 0;
	do {
		errors_forget();
		got = SSL_read(t->ssl, p + len, (int)(n - len));
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 && len < n && SSL_has_pending(t->ssl));
	buffers_drop(t);
	t->more = got > 0 && SSL_has_pending(t->ssl);
	if (got > 0)
		return (ssize_t)len;
	if (SSL_get_error(t->ssl, got) == SSL_ERROR_ZERO_RETURN) {
		t->more = len > 0; /* the end is for the next call */
		return (ssize_t)len;
	}
	bool waits = only_waits(t, got);

	if (len > 0) {
		t->more |= !waits;
		return (ssize_t)len;
	}
	errno = waits ? EAGAIN : EPROTO;
	return -1;
}

ssize_t tls_write(struct tls *t, const char *p, size_t n)
{
	size_t most = n < RECORD_OCTETS ? n : RECORD_OCTETS;

	if (!records_have_room(t, most + RECORD_OVERHEAD))
		return -1;
	errors_forget();
	int put = t->reason ? -1 : SSL_write(t->ssl, p, (int)most);

	if (put > 0)
		return put;
	errno = !t->reason && only_waits(t, put) ? EAGAIN : EPROTO;
	return -1;
}

bool tls_flush(struct tls *t, int flags)
{
	while (t->out_sent < t->out.len) {
		ssize_t n = send(t->fd, t->out.p + t->out_sent, t->out.len - t->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL | flags);

		if (n < 0 && errno != EINTR)
			return false;
		t->out_sent += n > 0 ? (size_t)n : 0;
	}
	records_drop(t);
	buffers_drop(t);
	return true;
}

bool tls_is_flushed(const struct tls *t)
{
	return !t->out.p;
}

void tls_goodbye(struct tls *t)
{
	if (!t->done || t->reason || t->said_goodbye)
		return;
	t->said_goodbye = true;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl); /* whether it gets through is not for us to wait for */
}

/* The first Finished of the handshake: the client's, or where a session was resumed, ours. */
static size_t first_finished(SSL *ssl, char *out, size_t room)
{
	return SSL_session_reused(ssl) ? SSL_get_finished(ssl, out, room) : SSL_get_peer_finished(ssl, out, room);
}

struct slice tls_binding(const struct tls *t, char out[static BINDING_MOST], bool *exporter)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	size_t n = 0;

	*exporter = t->done && SSL_version(t->ssl) >= TLS1_3_VERSION;
	if (*exporter && SSL_export_keying_material(t->ssl, (unsigned char *)out, EXPORTED_OCTETS, label,
						    sizeof label - 1, (const unsigned char *)"", 0, 1) == 1)
		n = EXPORTED_OCTETS;
	else if (t->done && !*exporter && SSL_get_extms_support(t->ssl) == 1)
		n = first_finished(t->ssl, out, BINDING_MOST);
	return (struct slice){out, n <= BINDING_MOST ? n : 0};
}

/* Two names are none: which of them is meant, nobody could tell. */
static const ASN1_STRING *common_name(const X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return NULL;
	return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

static const ASN1_STRING *email_name(const GENERAL_NAMES *names)
{
	const ASN1_STRING *found = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL && found)
			return NULL;
		if (name->type == GEN_EMAIL)
			found = name->d.rfc822Name;
	}
	return found;
}

struct slice tls_client_name(const struct tls *t, enum client_name where, char out[static NAME_MOST])
{
	const X509 *cert = t->done ? SSL_get0_peer_certificate(t->ssl) : NULL;
	unsigned char *text = NULL;
	int n = -1;

	if (!cert || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return SLICE("");
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *name = where == CLIENT_NAME_CN ? common_name(cert) : email_name(names);

	if (name)
		n = ASN1_STRING_to_UTF8(&text, name);
	if (n > 0 && n <= NAME_MOST)
		memcpy(out, text, (size_t)n);
	OPENSSL_free(text);
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return (struct slice){out, n > 0 && n <= NAME_MOST ? (size_t)n : 0};
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}
