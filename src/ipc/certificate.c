/* ipc/certificate.c - see certificate.h */
#include "ipc/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct header {
	uint32_t octets[PEMS];
};

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static bool write_all(int fd, const void *from, size_t n)
{
	const char *p = from;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

enum err certificate_write(int fd, const struct slice text[static PEMS], struct why *why)
{
	struct header h;
	bool fine;

	for (enum pem i = PEM_CHAIN; i < PEMS; i++)
		h.octets[i] = (uint32_t)text[i].n;
	fine = write_all(fd, &h, sizeof h);
	for (enum pem i = PEM_CHAIN; i < PEMS; i++)
		fine = fine && write_all(fd, text[i].p, text[i].n);
	if (!fine || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return fail_errno(why, ERR_TEMP, "keep a certificate in memory");
	return OK;
}

/* The descriptor's contents, taken apart. *all is the caller's. */
static enum err read_texts(int fd, char **all, size_t *octets, struct slice text[static PEMS], struct why *why)
{
	struct header h;
	struct stat st;
	size_t at = sizeof h;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof h || st.st_size > (off_t)sizeof h + PEMS * PEM_OCTETS_MOST)
		return fail(why, ERR_PERM, "no certificate");
	*octets = (size_t)st.st_size;
	*all = malloc(*octets);
	if (!*all || pread(fd, *all, *octets, 0) != (ssize_t)*octets)
		return fail_errno(why, ERR_TEMP, "read a certificate");
	memcpy(&h, *all, sizeof h);
	for (enum pem i = PEM_CHAIN; i < PEMS; at += h.octets[i++]) {
		if (h.octets[i] > *octets - at)
			return fail(why, ERR_PERM, "no certificate");
		text[i] = (struct slice){*all + at, h.octets[i]};
	}
	return OK;
}

/* What OpenSSL says about the last failure. */
static enum err fail_ssl(struct why *why, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return fail(why, ERR_PERM, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static BIO *bio_of(struct slice text)
{
	return BIO_new_mem_buf(text.p, (int)text.n);
}

/* A key that is locked with a password would make OpenSSL ask for it at the terminal. */
static int no_password(char *buf, int size, int is_for_writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)is_for_writing;
	(void)arg;
	return -1;
}

/* The first certificate is the server's, what follows goes with it. */
static enum err use_chain(SSL_CTX *ctx, struct slice text, struct why *why)
{
	BIO *bio = bio_of(text);
	X509 *cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL;
	enum err err = OK;

	if (!cert)
		err = fail_ssl(why, "no certificate in PEM");
	else if (SSL_CTX_use_certificate(ctx, cert) != 1)
		err = fail_ssl(why, "this certificate cannot be used");
	X509_free(cert);
	while (err == OK && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if (SSL_CTX_add1_chain_cert(ctx, cert) != 1)
			err = fail_ssl(why, "a certificate of the chain cannot be used");
		X509_free(cert);
	}
	if (err == OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		err = fail_ssl(why, "a certificate of the chain is broken");
	ERR_clear_error(); /* the end of the text was one */
	BIO_free(bio);
	return err;
}

static enum err use_key(SSL_CTX *ctx, struct slice text, struct why *why)
{
	BIO *bio = bio_of(text);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	enum err err = OK;

	if (!key)
		err = fail_ssl(why, "no private key in PEM without a password");
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		err = fail_ssl(why, "this private key is not that of the certificate");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return err;
}

/* Authorities complete the chain, where the certificate's file does not: all but the root, which clients have. A chain
 * that they cannot complete is sent as it is. */
static enum err use_authorities(SSL_CTX *ctx, struct slice text, struct why *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = bio_of(text);
	unsigned n = 0;
	X509 *ca;

	while (bio && (ca = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
		n += (unsigned)X509_STORE_add_cert(store, ca);
		X509_free(ca);
	}
	BIO_free(bio);
	if (n == 0)
		return fail_ssl(why, "no certificate of an authority in PEM");
	ERR_clear_error();
	(void)SSL_CTX_build_cert_chain(ctx, SSL_BUILD_CHAIN_FLAG_UNTRUSTED | SSL_BUILD_CHAIN_FLAG_NO_ROOT |
						    SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
						    SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
	return OK;
}

/* A certificate that nobody we know has signed is as good as none: who has one need not know of us. */
static int on_verified(int is_good, X509_STORE_CTX *ctx)
{
	(void)is_good;
	(void)ctx;
	return 1;
}

/* Those who may sign clients' certificates are not those who have signed ours. Clients are told their names, too. */
static enum err use_client_authorities(SSL_CTX *ctx, struct slice text, enum client_certificate wanted, struct why *why)
{
	bool required = wanted == CLIENT_CERT_REQUIRE;
	X509_STORE *store = X509_STORE_new();
	BIO *bio = bio_of(text);
	unsigned n = 0;
	X509 *ca;

	while (bio && store && (ca = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
		n += (unsigned)(X509_STORE_add_cert(store, ca) == 1 && SSL_CTX_add_client_CA(ctx, ca) == 1);
		X509_free(ca);
	}
	BIO_free(bio);
	bool fine = n > 0 && SSL_CTX_set1_verify_cert_store(ctx, store) == 1;

	X509_STORE_free(store);
	if (!fine)
		return fail_ssl(why, "no certificate of an authority for clients in PEM");
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   required ? NULL : on_verified);
	return OK;
}

static enum err use_priorities(SSL_CTX *ctx, const struct conf_priorities *p, struct why *why)
{
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
			   SSL_OP_CLEANSE_PLAINTEXT; /* passwords */

	if (p->server_precedence)
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
	if (p->prioritize_chacha)
		options |= SSL_OP_PRIORITIZE_CHACHA;
	if (p->no_tickets)
		options |= SSL_OP_NO_TICKET;
	SSL_CTX_set_options(ctx, options | (p->compat ? SSL_OP_ALL : 0));
	(void)SSL_CTX_set_dh_auto(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, p->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, p->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, p->ciphersuites) != 1 ||
	    (p->tls12 && SSL_CTX_set_cipher_list(ctx, p->ciphers) != 1) ||
	    SSL_CTX_set1_groups_list(ctx, p->groups) != 1 || SSL_CTX_set1_sigalgs_list(ctx, p->sigalgs) != 1)
		return fail_ssl(why, "OpenSSL does not accept these ssl-priorities");
	return OK;
}

static enum err fill(SSL_CTX *ctx, const struct slice text[static PEMS], const struct conf_tls *tls, struct why *why)
{
	enum err err = use_priorities(ctx, &tls->priorities, why);

	if (err == OK)
		err = use_chain(ctx, text[PEM_CHAIN], why);
	if (err == OK)
		err = use_key(ctx, text[PEM_KEY], why);
	if (err == OK && text[PEM_CA].n > 0)
		err = use_authorities(ctx, text[PEM_CA], why);
	if (err == OK && text[PEM_CLIENT_CA].n > 0 && tls->client_certificate != CLIENT_CERT_NO)
		err = use_client_authorities(ctx, text[PEM_CLIENT_CA], tls->client_certificate, why);
	/* A fixed chain: none is looked for in each handshake. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return err;
}

SSL_CTX *certificate_open(int fd, const struct conf_tls *tls, struct why *why)
{
	struct slice text[PEMS] = {{0}};
	SSL_CTX *ctx = NULL;
	char *all = NULL;
	size_t octets = 0;
	enum err err = read_texts(fd, &all, &octets, text, why);

	if (err == OK) {
		ctx = SSL_CTX_new(TLS_server_method());
		err = ctx ? fill(ctx, text, tls, why) : fail_ssl(why, "no memory for TLS");
	}
	if (all)
		explicit_bzero(all, octets);
	free(all);
	if (err != OK) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}
