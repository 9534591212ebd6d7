/* auth/mod_remote.c - see mod_remote.h */
#include "auth/mod_remote.h"

#include <stdio.h>
#include <string.h>

#include "auth/names.h"

/* What a module gives as text, and how much of it is used. */
static const struct {
	enum looked_text which;
	const char *name;
	size_t most;
} limits[] = {
	{LOOKED_NAME, "name", NAME_MOST},       {LOOKED_HASH, "passwd", SECRET_MOST},
	{LOOKED_SECRET, "secret", SECRET_MOST}, {LOOKED_GECOS, "gecos", PASSWD_LINE_MOST},
	{LOOKED_HOME, "dir", URL_MOST},         {LOOKED_SHELL, "shell", URL_MOST},
	{LOOKED_MAILBOX, "mailbox", URL_MOST},  {LOOKED_QUOTA, "quota", NAME_MOST},
};

static enum err texts_check(const struct looked *l, const struct record *r, struct why *why)
{
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct slice text = l->text[limits[i].which];

		if (text.n > limits[i].most || !passwd_is_plain(text))
			return fail(why, ERR_PERM, "%s: %s is too long, or has control characters", r->place,
				    limits[i].name);
	}
	return OK;
}

/* Where it stands, and why nobody may log in with it, as C strings in r->text. */
static void words_keep(const struct auth_module *m, const struct looked *l, struct record *r)
{
	struct slice place = l->text[LOOKED_PLACE];

	if (place.n == 0 || !slice_cstr(place, r->place, sizeof r->place))
		(void)snprintf(r->place, sizeof r->place, "%s", m->name);
	if (l->text[LOOKED_REFUSAL].n > 0)
		r->refusal = slice_cstr(l->text[LOOKED_REFUSAL], r->text, sizeof r->text) ? r->text : "refused";
}

/* NAME, and the domain of the login where NAME has none: two domains may have users of one name. */
static enum err put_key(struct record *r, struct slice login, struct why *why)
{
	struct slice user, domain;
	struct buf b = BUF(r->key_text);

	if (name_split(r->name, &user, &domain) || !name_split(login, &user, &domain))
		return OK;
	buf_put(&b, r->name);
	buf_char(&b, '@');
	buf_put(&b, domain);
	r->key = buf_slice(&b);
	return b.full ? fail(why, ERR_PERM, "%s: the user has too long a name", r->place) : OK;
}

static enum err put_mailbox(const struct conf *cf, const struct looked *l, struct record *r, struct why *why)
{
	r->mailbox = l->text[LOOKED_MAILBOX];
	if (r->mailbox.n > 0)
		return OK;
	if (!name_is_user(r->name)) /* which becomes a part of a path */
		return fail(why, ERR_PERM, "%s: no mailbox, and a name that no mailbox can have", r->place);
	return record_mailbox(r, &cf->mailbox, (struct conf_var){"user", r->name}, why);
}

enum err remote_record(const struct auth_module *m, const struct conf *cf, struct slice login, const struct looked *l,
		       struct record *r, struct why *why)
{
	words_keep(m, l, r);
	enum err err = texts_check(l, r, why);

	if (err != OK)
		return err;
	r->name = l->text[LOOKED_NAME].n > 0 ? l->text[LOOKED_NAME] : login;
	r->hash = l->text[LOOKED_HASH];
	r->secret = l->text[LOOKED_SECRET];
	r->asks_source = l->asks_source;
	r->gecos = l->text[LOOKED_GECOS];
	r->home = l->text[LOOKED_HOME];
	r->shell = l->text[LOOKED_SHELL];
	r->quota = l->text[LOOKED_QUOTA];
	r->uid = l->uid;
	r->gid = l->gid;
	r->checked_by = "generic";
	if (r->home.n > 0 && r->home.p[0] != '/')
		return fail(why, ERR_PERM, "%s: the home directory is no absolute path", r->place);
	if (r->uid == UINT32_MAX || r->gid == UINT32_MAX) /* "no change" to chown and setresuid */
		return fail(why, ERR_PERM, "%s: a uid or gid that nobody can have", r->place);
	err = put_key(r, login, why);
	return err == OK ? put_mailbox(cf, l, r, why) : err;
}

#define REMOTE(word)                                                                                                   \
	{                                                                                                              \
		.name = (word), .check = CHECK_ASK, .is_remote = true, .least_uid = 1                                  \
	}
const struct auth_module auth_pam = REMOTE("pam"), auth_sql = REMOTE("sql"), auth_radius = REMOTE("radius"),
			 auth_ldap = REMOTE("ldap");
