/* backend/ldap/mod_ldap.c - users of a directory, by OpenLDAP's library: found by a search, checked by their userPassword or
 * by a bind as them
 *
 * Two connections: searches are made as `binddn', and a bind as a user changes who asks over that connection from then on. */
#include <stdlib.h>
#include <string.h>

#include "auth/schemes.h"
#include "backend/backend.h"
#include "backend/ldap/connect.h"
#include "backend/ldap/directory.h"
#include "backend/ldap/entry.h"
#include "base/clock.h"

enum { FILTER_MOST = 8192, ENTRIES_MOST = 2 }; /* two entries are enough to know that there is more than one */

struct users {
	const struct conf_ldap *conf;
	struct directory directory;
	struct link reader, binder;
	char *attributes[ATTRIBUTES_MOST];
	char text[ENTRY_TEXT_MOST]; /* of the record that was found last */
};

/* --- the filter ----------------------------------------------------------------------------------------------------- */

static bool is_harmless(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || c == '@';
}

/* RFC 4515, section 3: any octet may be written as its two digits. */
static void put_escaped(struct buf *b, struct slice value)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		const char coded[] = {'\\', digits[c >> 4], digits[c & 15]};

		if (is_harmless(value.p[i]))
			buf_char(b, value.p[i]);
		else
			buf_put(b, (struct slice){coded, sizeof coded});
	}
}

static enum err filter_write(const struct conf_ldap *cf, const struct backend_ask *ask, char *dst, size_t cap,
			     struct why *why)
{
	char escaped[FILTER_MOST / 2];
	struct buf value = BUF(escaped), filter = {.p = dst, .cap = cap - 1};
	struct conf_var user = {"user", {NULL, 0}};
	uint32_t uid;

	if (ask->by_uid && !slice_u32(ask->login, &uid))
		return fail(why, ERR_AUTH, "no number of a user");
	put_escaped(&value, ask->login);
	user.value = buf_slice(&value);
	enum err err = conf_expand(&filter, slice_str(ask->by_uid ? cf->getpwuid : cf->getpwnam), &user, 1, NULL, why);

	if (err == OK && (value.full || filter.full || filter.len == 0))
		err = fail(why, ERR_PERM, "the search filter is empty or too long");
	dst[filter.len] = '\0';
	return err;
}

/* --- finding an entry ------------------------------------------------------------------------------------------------ */

struct search {
	const struct users *users;
	const char *filter;
	LDAPMessage *found; /* the whole answer */
};

static int search(LDAP *ld, void *arg, uint64_t deadline_ms)
{
	struct search *s = arg;
	uint64_t now = clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
	struct timeval limit = {(time_t)(left / 1000 + 1), 0}; /* the server's own; ours is in answer_wait */
	int msgid, answered = LDAP_OTHER;
	int code = ldap_search_ext(ld, s->users->conf->base, LDAP_SCOPE_SUBTREE, s->filter,
				   (char **)s->users->attributes, 0, NULL, NULL, &limit, ENTRIES_MOST, &msgid);

	if (code == LDAP_SUCCESS)
		code = answer_wait(ld, msgid, deadline_ms, &s->found);
	if (code == LDAP_SUCCESS)
		code = ldap_parse_result(ld, s->found, &answered, NULL, NULL, NULL, NULL, 0);
	return code == LDAP_SUCCESS ? answered : code;
}

/* What the answer to a search means; nobody gets in where it is not clear who is meant. */
static enum err found_one(LDAP *ld, const struct search *s, int code, const struct backend_ask *ask, struct why *why)
{
	int n = s->found ? ldap_count_entries(ld, s->found) : 0;
	char text[160];

	if (code == LDAP_SIZELIMIT_EXCEEDED || n > 1) {
		char key[64];
		struct buf b = {.p = key, .cap = sizeof key - 1};

		buf_put(&b, (struct slice){ask->login.p, ask->login.n < b.cap ? ask->login.n : b.cap});
		key[b.len] = '\0';
		return fail(why, ERR_PERM, "LDAP: too many entries for key %s", key);
	}
	if (code == LDAP_TIMELIMIT_EXCEEDED)
		return fail(why, ERR_TEMP, "LDAP search: %s", ldap_says(ld, code, text, sizeof text));
	if (code != LDAP_SUCCESS)
		return fail(why, ERR_PERM, "LDAP search: %s", ldap_says(ld, code, text, sizeof text));
	return n == 1 ? OK : fail(why, ERR_AUTH, "no such user");
}

/* On OK the only entry is in *found, to be freed with the answer. */
static enum err find(struct users *u, const struct backend_ask *ask, LDAPMessage **found, struct why *why)
{
	char filter[FILTER_MOST];
	struct search s = {.users = u, .filter = filter};
	int code = LDAP_OTHER;
	enum err err = filter_write(u->conf, ask, filter, sizeof filter, why);

	*found = NULL;
	if (err == OK)
		err = directory_ask(&u->directory, &u->reader, search, &s, ask->deadline_ms, &code, why);
	if (err == OK)
		err = found_one(u->reader.ld, &s, code, ask, why);
	if (err == OK)
		*found = s.found;
	else
		ldap_msgfree(s.found);
	return err;
}

static enum err users_lookup(void *priv, const struct backend_ask *ask, struct backend_record *r, struct why *why)
{
	struct users *u = priv;
	struct buf store = BUF(u->text);
	LDAPMessage *found;

	explicit_bzero(u->text, sizeof u->text);
	enum err err = find(u, ask, &found, why);

	if (err != OK)
		return err;
	err = entry_read(u->reader.ld, ldap_first_entry(u->reader.ld, found), u->conf, ask, &store, r, why);
	ldap_msgfree(found);
	return err;
}

/* --- a bind as the user ---------------------------------------------------------------------------------------------- */

struct bind {
	const char *dn;
	struct slice password;
};

static int bind_as(LDAP *ld, void *arg, uint64_t deadline_ms)
{
	const struct bind *b = arg;

	return simple_bind(ld, b->dn, b->password, deadline_ms);
}

/* Codes of RFC 4511, appendix A.2, that are about this user. */
static enum err bind_means(LDAP *ld, int code, struct why *why)
{
	char text[160];

	if (code == LDAP_SUCCESS)
		return OK;
	(void)ldap_says(ld, code, text, sizeof text);
	if (code == LDAP_INVALID_CREDENTIALS)
		return fail(why, ERR_AUTH, "wrong password: %s", text);
	if (code == LDAP_INAPPROPRIATE_AUTH || code == LDAP_INSUFFICIENT_ACCESS || code == LDAP_CONSTRAINT_VIOLATION ||
	    code == LDAP_UNWILLING_TO_PERFORM)
		return fail(why, ERR_AUTH, "may not log in: %s", text);
	return fail(why, ERR_PERM, "ldap_bind: %s", text);
}

/* By the login, as it was found: the name in its record need not be what the filter looks for. */
static enum err users_check(void *priv, const struct backend_ask *ask, struct why *why)
{
	struct users *u = priv;
	LDAPMessage *found;

	if (!u->conf->auth_bind)
		return fail(why, ERR_PERM, "ldap.auth-bind is no: passwords are compared");
	if (ask->password.n == 0 || slice_find(ask->password, '\0') < ask->password.n)
		return fail(why, ERR_AUTH, "no password");
	enum err err = find(u, ask, &found, why);
	int code = LDAP_OTHER;

	if (err != OK)
		return err;
	char *dn = ldap_get_dn(u->reader.ld, ldap_first_entry(u->reader.ld, found));
	struct bind b = {.dn = dn, .password = ask->password};

	if (!dn || !*dn)
		err = fail(why, ERR_PERM, "LDAP: an entry without a name");
	if (err == OK)
		err = directory_ask(&u->directory, &u->binder, bind_as, &b, ask->deadline_ms, &code, why);
	if (err == OK)
		err = bind_means(u->binder.ld, code, why);
	ldap_memfree(dn);
	ldap_msgfree(found);
	return err;
}

/* --- the module ------------------------------------------------------------------------------------------------------ */

static void users_close(void *priv)
{
	struct users *u = priv;

	link_drop(&u->reader);
	link_drop(&u->binder);
	directory_close(&u->directory);
	explicit_bzero(u, sizeof *u);
	free(u);
}

static enum err users_open(const struct conf *cf, void **priv, struct why *why)
{
	struct users *u = calloc(1, sizeof *u);

	if (!u)
		return fail(why, ERR_TEMP, "ldap: no memory");
	u->conf = &cf->ldap;
	u->reader.as_reader = true;
	entry_attributes(&cf->ldap.field_map, u->attributes);
	enum err err = ldap_settle(&cf->ldap, why);

	if (err == OK)
		err = directory_open(&u->directory, &cf->ldap, why);
	if (err == OK)
		*priv = u;
	else
		users_close(u);
	return err;
}

const struct backend backend_module = {
	.version = BACKEND_VERSION,
	.name = "ldap",
	.open = users_open,
	.lookup = users_lookup,
	.check = users_check,
	.close = users_close,
};
