/* master/certs.c - see certs.h */
#include "master/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "conf/safety.h"
#include "ipc/certificate.h"
#include "master/fork.h"
#include "master/sockets.h"
#include "master/tell.h"

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_alike(const struct conf_tls *a, const struct conf_tls *b)
{
	return is_same(a->certificate_file, b->certificate_file) && is_same(a->key_file, b->key_file) &&
	       is_same(a->ca_file, b->ca_file) && is_same(a->client_ca_file, b->client_ca_file) &&
	       a->client_certificate == b->client_certificate && a->client_name == b->client_name &&
	       is_same(a->priorities.text, b->priorities.text);
}

/* The first server with the same TLS; it may be this one. */
static size_t first_alike(const struct conf *cf, size_t i)
{
	size_t first = 0;

	while (cf->servers[first].tls_mode == TLS_NO || !is_alike(&cf->servers[first].tls, &cf->servers[i].tls))
		first++;
	return first;
}

/* --- in the process that reads --- */

static enum err regular_file(int fd, const char *path, size_t *octets, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(why, ERR_PERM, "%s", path);
	if (!S_ISREG(st.st_mode))
		return fail(why, ERR_PERM, "%s: not a regular file", path);
	if (st.st_size > PEM_OCTETS_MOST)
		return fail(why, ERR_PERM, "%s: longer than %d octets", path, PEM_OCTETS_MOST);
	*octets = (size_t)st.st_size;
	return OK;
}

static enum err read_all(int fd, const char *path, size_t octets, struct arena *a, struct slice *out, struct why *why)
{
	char *text = arena_zero(a, octets + 1);
	ssize_t n = text ? read(fd, text, octets) : -1;

	if (n < 0)
		return fail_errno(why, ERR_PERM, "%s", path);
	*out = (struct slice){text, (size_t)n};
	return OK;
}

/* The file's text, if it may be trusted. */
static enum err file_read(const char *path, struct conf_checks checks, struct arena *a, struct slice *out,
			  struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* not to wait for the other end of a FIFO */
	size_t octets = 0;

	if (fd < 0)
		return fail_errno(why, ERR_PERM, "%s", path);
	enum err err = regular_file(fd, path, &octets, why);

	if (err == OK)
		err = safety_check(fd, path, checks.bits, geteuid(), why);
	if (err == OK)
		err = read_all(fd, path, octets, a, out, why);
	close(fd);
	return err;
}

/* "FILE:LINE: server ADDR", where what is wrong about one begins. */
static const char *server_text(const struct conf_server *sv, char *dst, size_t cap)
{
	char name[SOCKET_NAME_MOST];
	struct buf b = {.p = dst, .cap = cap - 1};

	if (sv->addr_len > 0)
		socket_name(&sv->addr, name);
	else
		(void)slice_cstr(slice_str(sv->label), name, sizeof name); /* "<inetd>" */
	if (sv->file) {
		buf_str(&b, sv->file);
		buf_char(&b, ':');
		buf_u64(&b, sv->line);
		buf_str(&b, ": ");
	}
	buf_str(&b, "server ");
	buf_str(&b, name);
	dst[b.len] = '\0';
	return dst;
}

static bool files_are_set(const struct conf_server *sv)
{
	char server[512];

	if (!sv->tls.certificate_file)
		tell(LOG_ERR, "%s: no certificate set; expected ssl-certificate-file in section tls, or tls-mode no",
		     server_text(sv, server, sizeof server));
	else if (!sv->tls.key_file)
		tell(LOG_ERR, "%s: no private key set; expected ssl-key-file in section tls",
		     server_text(sv, server, sizeof server));
	bool asks = sv->tls.client_ca_file || sv->tls.client_certificate != CLIENT_CERT_REQUIRE;

	if (!asks)
		tell(LOG_ERR,
		     "%s: client-certificate require, and nothing to verify it with; expected client-ca-file in "
		     "section tls",
		     server_text(sv, server, sizeof server));
	return sv->tls.certificate_file && sv->tls.key_file && asks;
}

static bool files_read(const struct conf *cf, const struct conf_tls *tls, struct arena *a,
		       struct slice text[static PEMS])
{
	const struct {
		const char *path;
		struct conf_checks checks;
	} files[PEMS] = {
		[PEM_CHAIN] = {tls->certificate_file, cf->tls_file_checks.cert},
		[PEM_KEY] = {tls->key_file, cf->tls_file_checks.key},
		[PEM_CA] = {tls->ca_file, cf->tls_file_checks.ca},
		[PEM_CLIENT_CA] = {tls->client_ca_file, cf->tls_file_checks.ca},
	};
	bool fine = true;

	for (enum pem i = PEM_CHAIN; i < PEMS; i++) {
		struct why why;

		text[i] = (struct slice){0};
		if (files[i].path && file_read(files[i].path, files[i].checks, a, &text[i], &why) != OK) {
			tell(LOG_ERR, "%s", why.text);
			fine = false;
		}
	}
	return fine;
}

static void tell_time(const char *file, const ASN1_TIME *at, const char *what)
{
	struct tm tm;
	char text[64] = "?";

	if (ASN1_TIME_to_tm(at, &tm) == 1)
		(void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
	tell(LOG_WARNING, "%s: the certificate %s %s", file, what, text);
}

/* As a front will do it. */
static bool try_out(const struct conf_server *sv, int fd)
{
	struct why why = {""};
	SSL_CTX *ctx = certificate_open(fd, &sv->tls, &why);
	const X509 *cert = ctx ? SSL_CTX_get0_certificate(ctx) : NULL;
	char server[512];

	if (!cert) {
		tell(LOG_ERR, "%s: %s (ssl-certificate-file %s, ssl-key-file %s)",
		     server_text(sv, server, sizeof server), why.text, sv->tls.certificate_file, sv->tls.key_file);
		return false;
	}
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		tell_time(sv->tls.certificate_file, X509_get0_notAfter(cert), "expired on");
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		tell_time(sv->tls.certificate_file, X509_get0_notBefore(cert), "is not valid before");
	return true;
}

static int fill(const struct conf *cf, const struct conf_server *sv, struct arena *a, int fd)
{
	struct slice text[PEMS];
	struct why why;

	if (!files_are_set(sv) || !files_read(cf, &sv->tls, a, text))
		return EX_CONFIG;
	if (certificate_write(fd, text, &why) != OK) {
		tell(LOG_ERR, "%s", why.text);
		return EX_OSERR;
	}
	return try_out(sv, fd) ? EX_OK : EX_CONFIG;
}

/* However many are wrong: all is told at once. */
static int fill_all(const struct certs *c, const struct conf *cf)
{
	struct arena *a = arena_new(SIZE_MAX);
	int status = a ? EX_OK : EX_OSERR;

	for (size_t i = 0; a && i < c->n; i++) {
		int one = c->fd[i] >= 0 && first_alike(cf, i) == i ? fill(cf, &cf->servers[i], a, c->fd[i]) : EX_OK;

		status = one != EX_OK ? one : status;
	}
	arena_free(a);
	return status;
}

/* --- in master --- */

/* Empty ones, to be filled. False: it is told why. */
static bool memfds_make(struct certs *c, const struct conf *cf)
{
	*c = (struct certs){.fd = calloc(cf->nservers + 1, sizeof *c->fd)};
	for (; c->fd && c->n < cf->nservers; c->n++) {
		size_t first = cf->servers[c->n].tls_mode != TLS_NO ? first_alike(cf, c->n) : c->n;

		c->fd[c->n] = -1;
		if (first < c->n)
			c->fd[c->n] = c->fd[first];
		else if (cf->servers[c->n].tls_mode != TLS_NO &&
			 (c->fd[c->n] = memfd_create("pop3d certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0)
			break;
	}
	if (c->fd && c->n == cf->nservers)
		return true;
	tell(LOG_ERR, "cannot make memory for certificates: %s", strerror(errno));
	certs_free(c);
	return false;
}

static bool are_wanted(const struct conf *cf)
{
	for (size_t i = 0; i < cf->nservers; i++)
		if (cf->servers[i].tls_mode != TLS_NO)
			return true;
	return false;
}

int certs_load(struct certs *c, const struct conf *cf)
{
	if (!memfds_make(c, cf))
		return EX_OSERR;
	if (!are_wanted(cf))
		return EX_OK;
	pid_t pid = fork_quietly();

	if (pid == 0) {
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0,
			    0); /* a private key is nothing for a core file, nor for who may trace us */
		_exit(fill_all(c, cf));
	}
	int status = pid > 0 ? fork_wait(pid) : EX_OSERR;

	if (status == EX_OSERR)
		tell(LOG_ERR, "the process that reads certificates failed");
	if (status != EX_OK)
		certs_free(c);
	return status;
}

void certs_free(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++) {
		bool is_first = true;

		for (size_t j = 0; j < i; j++)
			is_first &= c->fd[j] != c->fd[i];
		if (is_first && c->fd[i] >= 0)
			close(c->fd[i]);
	}
	free(c->fd);
	*c = (struct certs){0};
}

int certs_lint(const struct conf *cf)
{
	struct certs c;
	int status = certs_load(&c, cf);

	certs_free(&c);
	return status;
}
