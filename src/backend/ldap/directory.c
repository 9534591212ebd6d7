/* backend/ldap/directory.c - see directory.h */
#include "backend/ldap/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ldap/connect.h"
#include "backend/ldap/socket.h"
#include "base/clock.h"

/* --- which servers there are --------------------------------------------------------------------------------------- */

static void servers_forget(struct directory *d)
{
	while (d->n > 0)
		free(d->server[--d->n].url);
	d->current = 0;
	d->by_dns = false;
}

static enum err server_add(struct directory *d, const char *scheme, struct slice address, struct why *why)
{
	char *url;

	if (d->n == SERVERS_MOST)
		return OK; /* so many are enough */
	if (asprintf(&url, "%s%.*s", scheme, (int)address.n, address.p) < 0)
		return fail(why, ERR_TEMP, "ldap: no memory");
	d->server[d->n++] = (struct server){.url = url};
	return OK;
}

/* RFC 2782 with the domain that a DN stands for (RFC 2247): _ldap._tcp.example.org. */
static enum err servers_by_dns(struct directory *d, const LDAPURLDesc *url, struct why *why)
{
	char *domain = NULL, *hosts = NULL, scheme[16];
	enum err err = OK;

	if (ldap_dn2domain(url->lud_dn, &domain) != 0 || !domain)
		err = fail(why, ERR_PERM, "ldap.url: `%s' is no domain", url->lud_dn);
	else if (ldap_domain2hostlist(domain, &hosts) != LDAP_SUCCESS || !hosts)
		err = fail(why, ERR_TEMP, "ldap: there is no SRV record of _ldap._tcp.%s", domain);
	struct slice rest = slice_str(hosts);

	(void)snprintf(scheme, sizeof scheme, "%s://", url->lud_scheme);
	while (err == OK && rest.n > 0)
		err = server_add(d, scheme, slice_take(&rest, ' '), why);
	ldap_memfree(domain);
	ldap_memfree(hosts);
	d->by_dns = true;
	return err;
}

static bool asks_dns(const LDAPURLDesc *url)
{
	return (!url->lud_host || !*url->lud_host) && url->lud_dn && *url->lud_dn &&
	       strcmp(url->lud_scheme, "ldapi") != 0;
}

/* Without `dns', it is only checked. Whatever the URL says beyond the server (a base, a filter) is ours to say. */
static enum err url_read(struct directory *d, struct slice word, bool dns, struct why *why)
{
	char text[1024];
	LDAPURLDesc *url = NULL;

	if (!slice_cstr(word, text, sizeof text) || ldap_url_parse(text, &url) != LDAP_URL_SUCCESS)
		return fail(why, ERR_PERM, "ldap.url: `%.*s' is no URL of LDAP", (int)(word.n < 100 ? word.n : 100),
			    word.p);
	size_t scheme = strlen(url->lud_scheme) + 3; /* "://" */
	struct slice host = {word.p + scheme, word.n - scheme};
	enum err err = OK;

	if (asks_dns(url))
		err = dns ? servers_by_dns(d, url, why) : OK;
	else if (dns)
		err = server_add(d, "", (struct slice){word.p, scheme + slice_find(host, '/')}, why);
	ldap_free_urldesc(url);
	return err;
}

static enum err urls_read(struct directory *d, bool dns, struct why *why)
{
	struct slice rest = slice_str(d->conf->url);
	enum err err = OK;

	while (err == OK && rest.n > 0) {
		struct slice word = slice_trim(slice_take(&rest, ' '));

		if (word.n > 0)
			err = url_read(d, word, dns, why);
		/* the others may do where name servers know nothing of one */
		if (err == ERR_TEMP && (rest.n > 0 || d->n > 0))
			err = OK;
	}
	return err;
}

enum err directory_open(struct directory *d, const struct conf_ldap *cf, struct why *why)
{
	*d = (struct directory){.conf = cf};
	if (!cf->url || slice_trim(slice_str(cf->url)).n == 0)
		return fail(why, ERR_PERM, "ldap.url: it says which server is asked, and is missing");
	if (!cf->base)
		return fail(why, ERR_PERM, "ldap.base: it says where searches begin, and is missing");
	if (cf->binddn && *cf->binddn && cf->passwd.n == 0)
		return fail(why, ERR_PERM, "ldap.passwd: it is missing, and `binddn' is there");
	d->passwd = cf->passwd;
	return urls_read(d, false, why);
}

void directory_close(struct directory *d)
{
	servers_forget(d);
	secret_wipe(&d->passwd);
}

/* --- a connection to one of them ----------------------------------------------------------------------------------- */

void link_drop(struct link *l)
{
	if (l->ld)
		(void)ldap_unbind_ext(l->ld, NULL, NULL);
	l->ld = NULL;
}

/* Where the library has given up a connection, it would make a new one when it is asked for something, and without TLS where
 * that begins with StartTLS. */
static bool link_is_whole(const struct link *l)
{
	int fd = -1;

	return l->ld && ldap_get_option(l->ld, LDAP_OPT_DESC, &fd) == LDAP_OPT_SUCCESS && fd == l->fd;
}

static bool is_left_alone(const struct server *s, uint64_t now)
{
	return s->not_before_ms > now;
}

/* The servers that may be tried now share the time that is left. */
static uint64_t share_of(const struct directory *d, uint64_t deadline_ms)
{
	uint64_t now = clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0, among = 0;

	for (size_t i = 0; i < d->n; i++)
		among += !is_left_alone(&d->server[i], now);
	return now + left / (among > 0 ? among : 1);
}

/* A kept connection gets half of it: whatever lies between may have forgotten that one, and told nobody (as firewalls do when it was silent for long).
 * So there is time left for a new one. */
static uint64_t patience_with(const struct directory *d, bool kept, uint64_t deadline_ms)
{
	uint64_t until = share_of(d, deadline_ms), now = clock_ms();

	return kept && until > now ? now + (until - now) / 2 : until;
}

static void server_was_vain(struct server *s)
{
	uint64_t wait = (uint64_t)RETRY_FIRST_MS << (s->vain < 3 ? s->vain : 3);

	s->vain++;
	s->not_before_ms = clock_ms() + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
}

static bool is_no_answer(int code)
{
	return code == LDAP_TIMEOUT || code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR ||
	       code == LDAP_UNAVAILABLE || code == LDAP_BUSY || code == LDAP_DECODING_ERROR ||
	       code == LDAP_ENCODING_ERROR || code == LDAP_LOCAL_ERROR || code == LDAP_PROTOCOL_ERROR;
}

static enum err reader_bind(const struct directory *d, LDAP *ld, uint64_t deadline_ms, int *code, struct why *why)
{
	char text[160];

	*code = LDAP_SUCCESS;
	if (!d->conf->binddn || !*d->conf->binddn)
		return OK;
	*code = simple_bind(ld, d->conf->binddn, secret_slice(&d->passwd), deadline_ms);
	if (*code == LDAP_SUCCESS)
		return OK;
	return fail(why, is_no_answer(*code) ? ERR_TEMP : ERR_PERM, "ldap_bind: %s",
		    ldap_says(ld, *code, text, sizeof text));
}

static enum err link_make(struct directory *d, struct link *l, struct server *s, uint64_t deadline_ms, struct why *why)
{
	uint64_t until = share_of(d, deadline_ms);
	struct why because = {""};
	int code;
	enum err err = ldap_connected(d->conf, s->url, until, &l->ld, &l->fd, &code, &because);

	if (err == OK && l->as_reader) {
		socket_guard(l->fd, until);
		err = reader_bind(d, l->ld, until, &code, &because);
		socket_guard_off();
	}
	if (err == OK)
		return OK;
	link_drop(l);
	if (code == LDAP_TIMEOUT ||
	    clock_ms() >= until) { /* the guard of its socket ends it otherwise than by a time-out */
		server_was_vain(s);
		return fail(why, ERR_TEMP, "%s: no answer in time", s->url);
	}
	return fail(why, err, "%s: %s", s->url, because.text);
}

/* One after the other, each once. One that is left alone is not asked even where there is no other: who has logins waiting
 * for it knows at once. */
static enum err link_any(struct directory *d, struct link *l, uint64_t deadline_ms, struct why *why)
{
	enum err err = ERR_COUNT;

	for (size_t i = 0, at = d->current; i < d->n; i++, at = (at + 1) % d->n) {
		if (is_left_alone(&d->server[at], clock_ms()) || clock_ms() >= deadline_ms)
			continue;
		enum err e = link_make(d, l, &d->server[at], deadline_ms, why);

		if (e == OK) {
			d->current = at;
			return OK;
		}
		err = err == ERR_TEMP ? err : e;
	}
	if (d->by_dns)
		servers_forget(d);
	return err != ERR_COUNT ? err : fail(why, ERR_TEMP, "ldap: no server has answered lately");
}

static enum err link_ready(struct directory *d, struct link *l, uint64_t deadline_ms, struct why *why)
{
	if (link_is_whole(l))
		return OK;
	link_drop(l);
	enum err err = d->n == 0 ? urls_read(d, true, why) : OK;

	return err == OK ? link_any(d, l, deadline_ms, why) : err;
}

enum err directory_ask(struct directory *d, struct link *l, question *q, void *arg, uint64_t deadline_ms, int *code,
		       struct why *why)
{
	struct why because = {"ldap: no server answered in time"};

	for (size_t tries = 0; tries <= d->n + 1 && clock_ms() < deadline_ms; tries++) {
		bool kept = link_is_whole(l);
		enum err err = link_ready(d, l, deadline_ms, why);
		char text[160];

		if (err != OK)
			return err;
		struct server *s = &d->server[d->current];
		uint64_t until = patience_with(d, kept, deadline_ms);

		socket_guard(l->fd, until);
		*code = q(l->ld, arg, until);
		socket_guard_off();
		if (!is_no_answer(*code)) {
			s->vain = 0;
			return OK;
		}
		bool vain = *code == LDAP_TIMEOUT || clock_ms() >= until;

		(void)fail(&because, ERR_TEMP, "%s: %s", s->url,
			   vain ? "no answer in time" : ldap_says(l->ld, *code, text, sizeof text));
		link_drop(l);
		if (kept)
			continue; /* it may have been closed, or forgotten, because nobody asked anything for long */
		if (vain)
			server_was_vain(s);
		else
			d->current = (d->current + 1) % d->n;
	}
	return fail(why, ERR_TEMP, "%s", because.text);
}
