/* auth/mod_system.c - system users: passwd, and shadow for those whose password field says x
 *
 * The files are read through an index (pwfile.h), and getpwnam(3) is not asked: it reads all users for each login, loads
 * libraries of others, and waits for servers, while all other logins wait. Which directories have such files is what
 * the line `passwd:' of nsswitch.conf says, in its order; sources that are no files (sss, ldap, nis, ...) are told at the
 * start, and their users are not found. `compat' is `files', without its lines that begin with + or -. `systemd' has no
 * users with passwords.
 *
 * A hash out of shadow is checked by this module alone, one that stands in passwd itself also by `generic'. The maildrop is
 * made from mailbox-pattern (or mail-spool). */
#include "auth/mod_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/hash.h"
#include "auth/names.h"
#include "auth/pwfile.h"
#include "auth/shadow.h"
#include "base/clock.h"
#include "base/log.h"

enum { PLACES_MOST = 2, NSSWITCH_MOST = 64 * 1024 };

static const int64_t day_ns = INT64_C(86400) * 1000000000;

/* A directory with files of users. */
struct place {
	const char *dir; /* borrowed */
	int fd;          /* owned */
	struct pwfile passwd, shadow;
};

struct system {
	const struct conf_mailbox *mailbox; /* borrowed from the configuration */
	bool checks;                        /* passwords too, so hashes are needed */
	struct place place[PLACES_MOST];
	size_t nplaces;
	char shadow_text[PASSWD_LINE_MOST]; /* of the last look-up */
};

/* --- where users are ------------------------------------------------------------------------------------------- */

/* Sources that nsswitch.conf may name, and what we make of them. */
static const struct source {
	const char *name;
	enum { IN_ETC, IN_EXTRA, NOWHERE } where;
} sources[] = {{"files", IN_ETC}, {"compat", IN_ETC}, {"extrausers", IN_EXTRA}, {"systemd", NOWHERE}};

static const struct source *source_find(struct slice name)
{
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (slice_eq(name, slice_str(sources[i].name)))
			return &sources[i];
	return NULL;
}

/* Who cannot read it tells the operator now, not his users later. */
static void shadow_try(const struct place *p)
{
	int fd = openat(p->fd, "shadow", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	else
		log_line(
			LOG_WARNING,
			"system: %s/shadow: %s; users whose passwords are there cannot log in. It must be readable for "
			"group shadow: \"chgrp shadow %s/shadow; chmod 640 %s/shadow\", with pop3d started as root",
			p->dir, strerror(errno), p->dir, p->dir);
}

static void place_add(struct system *s, const char *dir)
{
	struct place *p = &s->place[s->nplaces];

	for (size_t i = 0; i < s->nplaces; i++)
		if (s->place[i].dir == dir)
			return;
	*p = (struct place){.dir = dir,
			    .fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			    .passwd = PWFILE_NONE,
			    .shadow = PWFILE_NONE};
	if (p->fd < 0) {
		log_line(LOG_WARNING, "system: %s: %s; there are no users of it", dir, strerror(errno));
		return;
	}
	s->nplaces++;
	if (s->checks)
		shadow_try(p);
}

/* The words behind `passwd:'; what stands in [ ] says how a search ends, which for files is as it is here. */
static void sources_add(struct system *s, struct slice words, const char *etc, const char *extra)
{
	while ((words = slice_trim(words)).n > 0) {
		bool action = words.p[0] == '[';
		struct slice word = slice_take(&words, action ? ']' : ' ');
		const struct source *source = action ? NULL : source_find(slice_trim(word));

		if (source && source->where == IN_ETC)
			place_add(s, etc);
		else if (source && source->where == IN_EXTRA && extra)
			place_add(s, extra);
		else if (!source && !action)
			log_line(LOG_WARNING,
				 "system: users that only `%.*s' knows (%s/nsswitch.conf) are not found: the process "
				 "that "
				 "looks users up reads files and talks to nobody",
				 (int)(word.n < 64 ? word.n : 64), word.p, etc);
	}
}

static struct slice nsswitch_read(int etc, char text[static NSSWITCH_MOST])
{
	int fd = openat(etc, "nsswitch.conf", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd >= 0 ? read(fd, text, NSSWITCH_MOST) : 0;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\t')
			text[i] = ' ';
	return (struct slice){text, n > 0 ? (size_t)n : 0};
}

/* Without such a line: files, as the C library has it. */
static void places_find(struct system *s, const char *etc, const char *extra)
{
	static char text[NSSWITCH_MOST];
	int fd = open(etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct slice rest = nsswitch_read(fd, text), words = SLICE("files");

	if (fd >= 0)
		close(fd);
	while (rest.n > 0) {
		struct slice all = slice_take(&rest, '\n'), line = slice_trim(slice_take(&all, '#'));

		if (slice_starts(line, SLICE("passwd:"))) {
			(void)slice_take(&line, ':');
			words = line;
		}
	}
	sources_add(s, words, etc, extra);
}

enum err system_open_at(const struct conf *cf, const char *etc, const char *extra, void **priv, struct why *why)
{
	struct system *s = calloc(1, sizeof *s);

	if (!s)
		return fail(why, ERR_TEMP, "system: no memory");
	s->mailbox = &cf->mailbox;
	s->checks = conf_list_has(&cf->auth.authentication, "system");
	places_find(s, etc, extra);
	*priv = s;
	return OK;
}

static enum err system_open(const struct conf *cf, void **priv, struct why *why)
{
	return system_open_at(cf, CONF_ETC, CONF_EXTRAUSERS, priv, why);
}

static void system_close(void *priv)
{
	struct system *s = priv;

	for (size_t i = 0; i < s->nplaces; i++) {
		pwfile_drop(&s->place[i].passwd);
		pwfile_drop(&s->place[i].shadow);
		close(s->place[i].fd);
	}
	explicit_bzero(s, sizeof *s);
	free(s);
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

static void place_name(struct record *r, const struct place *p, const char *file)
{
	if (snprintf(r->place, sizeof r->place, "%s/%s", p->dir, file) < 0)
		r->place[0] = '\0';
}

/* Whoever has no line there has no password. Where it cannot be read, nobody's password is wrong. */
static enum err find_shadow(struct system *s, struct place *p, struct record *r, struct why *why)
{
	struct pwfile_query q = {.format = &pwfile_shadow,
				 .dirfd = p->fd,
				 .label = p->dir,
				 .name = "shadow",
				 .group = "shadow",
				 .user = r->name};
	struct shadow_line line;
	struct slice text;
	enum err err = pwfile_find(&p->shadow, &q, s->shadow_text, &text, why);

	place_name(r, p, q.name);
	if (err == ERR_AUTH)
		return OK;
	if (err != OK)
		return ERR_TEMP;
	(void)shadow_parse(text, &line); /* in the format, as the reader found */
	r->hash = line.hash;
	r->refusal = shadow_refusal(&line, clock_wall_ns() / day_ns);
	return OK;
}

static enum err lookup_in(struct system *s, struct place *p, struct slice user, struct record *r, struct why *why)
{
	struct pwfile_query q = {.format = &pwfile_passwd,
				 .dirfd = p->fd,
				 .label = p->dir,
				 .name = "passwd",
				 .group = "shadow",
				 .user = user};
	struct passwd_line line;
	struct slice text;
	enum err err = pwfile_find(&p->passwd, &q, r->text, &text, why);

	if (err != OK)
		return err;
	(void)passwd_parse(text, &line);
	r->name = line.name;
	r->gecos = line.gecos;
	r->home = line.home;
	r->uid = line.uid;
	r->gid = line.gid;
	r->also_by = "pam";
	place_name(r, p, q.name);
	if (hash_is_usable(line.hash)) {
		r->hash = line.hash;
		r->checked_by = "generic";
	} else if (s->checks && slice_eq(line.hash, SLICE("x"))) {
		err = find_shadow(s, p, r, why);
	}
	return err == OK ? record_mailbox(r, s->mailbox, (struct conf_var){"user", r->name}, why) : err;
}

static enum err system_lookup(void *priv, const struct query *q, struct record *r, struct why *why)
{
	struct system *s = priv;

	if (!name_is_user(q->login))
		return fail(why, ERR_AUTH, "invalid name");
	for (size_t i = 0; i < s->nplaces; i++) {
		enum err err = lookup_in(s, &s->place[i], q->login, r, why);

		if (err != ERR_AUTH)
			return err;
	}
	return fail(why, ERR_AUTH, "no such user");
}

const struct auth_module auth_system = {
	.name = "system",
	.check = CHECK_HASH,
	.least_uid = 1, /* root's mail is not read over a network */
	.open = system_open,
	.lookup = system_lookup,
	.close = system_close,
};
