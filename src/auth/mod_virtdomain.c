/* auth/mod_virtdomain.c - users of virtual domains: the file DIR/DOMAIN, in passwd format, for USER@DOMAIN
 *
 * A login name without a domain gets the local address that the client connected to as its domain; before that, where virtdomain.reverse-dns says so,
 * the name of that address, which was looked up when the configuration was read. The record's hash
 * is checked by `generic`; the session runs as the record's uid. The maildrop is HOME/INBOX; that of a record without a home
 * is made from mailbox-pattern (or mail-spool), in which ${user} is NAME@DOMAIN. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/module.h"
#include "auth/names.h"
#include "auth/pwfile.h"
#include "base/log.h"

enum {
	DOMAINS_MOST = 1024,                   /* that are remembered; more are read again and again */
	INDEX_OCTETS_MOST = 256 * 1024 * 1024, /* of all indexes together */
};

struct domain {
	char name[NAME_MOST + 1];
	uint64_t used; /* the higher, the later */
	struct pwfile file;
};

struct virtdomain {
	const char *dir, *group; /* borrowed from the configuration, as these */
	const struct conf_mailbox *mailbox;
	const struct conf_local_name *local_names;
	size_t nlocal_names;
	int fd;         /* of the directory; -1: there is none */
	uint64_t clock; /* look-ups so far */
	size_t ndomains, octets;
	uint64_t key[DOMAINS_MOST]; /* hash of the name, kept together so that a search stays in few cache lines */
	struct domain *domain[DOMAINS_MOST];
};

static enum err virtdomain_open(const struct conf *cf, void **priv, struct why *why)
{
	struct virtdomain *v = calloc(1, sizeof *v);

	if (!v)
		return fail(why, ERR_TEMP, "virtdomain: no memory");
	v->dir = cf->virtdomain_dir;
	v->mailbox = &cf->mailbox;
	v->group = cf->auth_user;
	v->local_names = cf->local_names;
	v->nlocal_names = cf->nlocal_names;
	v->fd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->fd < 0)
		log_line(errno == ENOENT ? LOG_NOTICE : LOG_WARNING, "virtdomain: %s: %s; there are no virtual domains",
			 v->dir, strerror(errno));
	*priv = v;
	return OK;
}

static void virtdomain_close(void *priv)
{
	struct virtdomain *v = priv;

	for (size_t i = 0; i < v->ndomains; i++) {
		pwfile_drop(&v->domain[i]->file);
		free(v->domain[i]);
	}
	if (v->fd >= 0)
		close(v->fd);
	free(v);
}

static uint64_t domain_key(struct slice name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct domain *domain_find(struct virtdomain *v, struct slice name)
{
	uint64_t key = domain_key(name);

	for (size_t i = 0; i < v->ndomains; i++)
		if (v->key[i] == key && slice_eq(slice_str(v->domain[i]->name), name))
			return v->domain[i];
	return NULL;
}

static void domain_drop(struct virtdomain *v, size_t i)
{
	v->octets -= pwfile_octets(&v->domain[i]->file);
	pwfile_drop(&v->domain[i]->file);
	free(v->domain[i]);
	v->ndomains--;
	v->domain[i] = v->domain[v->ndomains];
	v->key[i] = v->key[v->ndomains];
}

/* Lets go of the domain that was not used for the longest time, `keep` excepted. False: there is no other. */
static bool domain_drop_oldest(struct virtdomain *v, const struct domain *keep)
{
	size_t oldest = v->ndomains;

	for (size_t i = 0; i < v->ndomains; i++)
		if (v->domain[i] != keep && (oldest == v->ndomains || v->domain[i]->used < v->domain[oldest]->used))
			oldest = i;
	if (oldest == v->ndomains)
		return false;
	domain_drop(v, oldest);
	return true;
}

static struct domain *domain_new(struct slice name)
{
	struct domain *d = calloc(1, sizeof *d);

	if (d && !slice_cstr(name, d->name, sizeof d->name)) {
		free(d);
		return NULL;
	}
	if (d)
		d->file = PWFILE_NONE;
	return d;
}

/* The index of d took so many octets before. Others make room for what it takes now. */
static void domain_count(struct virtdomain *v, const struct domain *d, size_t before)
{
	v->octets += pwfile_octets(&d->file) - before;
	while (v->octets > INDEX_OCTETS_MOST && domain_drop_oldest(v, d))
		;
}

/* Keeps a domain that has a file. One that somebody made up is forgotten, and pushes out no other. */
static void domain_keep(struct virtdomain *v, struct domain *d)
{
	if (pwfile_octets(&d->file) == 0) {
		pwfile_drop(&d->file);
		free(d);
		return;
	}
	if (v->ndomains == DOMAINS_MOST)
		domain_drop_oldest(v, NULL);
	v->key[v->ndomains] = domain_key(slice_str(d->name));
	v->domain[v->ndomains++] = d;
	domain_count(v, d, 0);
}

static enum err find_line(struct virtdomain *v, struct slice user, struct slice domain, struct record *r,
			  struct passwd_line *line, struct why *why)
{
	struct domain *known = domain_find(v, domain), *d = known ? known : domain_new(domain);

	if (!d)
		return fail(why, ERR_TEMP, "virtdomain: no memory");
	struct pwfile_query q = {.format = &pwfile_passwd,
				 .dirfd = v->fd,
				 .label = v->dir,
				 .name = d->name,
				 .group = v->group,
				 .user = user};
	size_t before = pwfile_octets(&d->file);
	struct slice text;
	enum err err = pwfile_find(&d->file, &q, r->text, &text, why);

	if (err == OK)
		(void)passwd_parse(text, line); /* in the format, as the reader found */

	d->used = ++v->clock;
	if (known)
		domain_count(v, d, before);
	else
		domain_keep(v, d);
	return err;
}

/* NAME@DOMAIN: a name is a file of passwd format's, a domain a file's, and a login has room for both or the domain is an address. */
static enum err put_key(struct record *r, struct slice domain, struct why *why)
{
	struct buf b = BUF(r->key_text);

	buf_put(&b, r->name);
	buf_char(&b, '@');
	buf_put(&b, domain);
	r->key = buf_slice(&b);
	return b.full ? fail(why, ERR_PERM, "%s: the user has too long a name", r->place) : OK;
}

static enum err put_mailbox(const struct virtdomain *v, struct record *r, struct why *why)
{
	static const struct conf_mailbox at_home = {.pattern = "${home}/INBOX"};

	if (r->home.n > 0)
		return record_mailbox(r, &at_home, (struct conf_var){"home", r->home}, why);
	return record_mailbox(r, v->mailbox, (struct conf_var){"user", r->key}, why);
}

static enum err lookup_in(struct virtdomain *v, struct slice user, struct slice domain, struct record *r,
			  struct why *why)
{
	struct passwd_line line = {0};
	enum err err = find_line(v, user, domain, r, &line, why);

	if (err != OK)
		return err;
	r->checked_by = "generic";
	r->name = line.name;
	if (slice_starts(line.hash, SLICE("{"))) {
		r->secret = line.hash;
		r->secret_for_all = true; /* `generic', as for hashes */
	} else {
		r->hash = line.hash;
	}
	r->gecos = line.gecos;
	r->home = line.home;
	r->uid = line.uid;
	r->gid = line.gid;
	if (snprintf(r->place, sizeof r->place, "%s/%.*s", v->dir, (int)domain.n, domain.p) < 0)
		r->place[0] = '\0';
	err = put_key(r, domain, why);
	return err == OK ? put_mailbox(v, r, why) : err;
}

/* The number of the address that the client connected to, as a file name. */
static bool local_domain(const struct address *local, char text[INET6_ADDRSTRLEN])
{
	return local && local->family != 0 && inet_ntop(local->family, local->ip, text, INET6_ADDRSTRLEN);
}

/* The names of that address. ERR_AUTH: none of them is a domain with this user. */
static enum err lookup_by_name(struct virtdomain *v, const struct query *q, struct record *r, struct why *why)
{
	enum err err = ERR_AUTH;

	for (size_t i = 0; i < v->nlocal_names && err == ERR_AUTH; i++) {
		const struct conf_local_name *n = &v->local_names[i];
		struct slice domain = slice_str(n->name);

		if (n->address.family == q->local->family &&
		    memcmp(n->address.ip, q->local->ip, sizeof n->address.ip) == 0 && name_is_domain(domain) &&
		    name_is_user(q->login))
			err = lookup_in(v, q->login, domain, r, why);
	}
	return err;
}

static enum err virtdomain_lookup(void *priv, const struct query *q, struct record *r, struct why *why)
{
	struct virtdomain *v = priv;
	struct slice user = q->login, domain;
	char number[INET6_ADDRSTRLEN];

	if (v->fd < 0)
		return fail(why, ERR_AUTH, "no such user");
	if (name_split(q->login, &user, &domain)) {
		if (!name_is_domain(domain))
			return fail(why, ERR_AUTH, "invalid domain");
	} else {
		if (!local_domain(q->local, number))
			return fail(why, ERR_AUTH, "no domain");
		enum err err = lookup_by_name(v, q, r, why);

		if (err != ERR_AUTH)
			return err;
		domain = slice_str(number);
	}
	return name_is_user(user) ? lookup_in(v, user, domain, r, why) : fail(why, ERR_AUTH, "invalid name");
}

const struct auth_module auth_virtdomain = {
	.name = "virtdomain",
	.least_uid = 1, /* sessions of virtual users never run as root */
	.open = virtdomain_open,
	.lookup = virtdomain_lookup,
	.close = virtdomain_close,
};
