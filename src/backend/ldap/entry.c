/* backend/ldap/entry.c - see entry.h */
#include "backend/ldap/entry.h"

#include <stdio.h>
#include <string.h>

#include "auth/schemes.h"

struct entry {
	LDAP *ld;
	LDAPMessage *message;
	const struct conf_ldap *conf;
	struct slice login;
	struct buf *store;
};

void entry_attributes(const struct conf_map *map, char *attributes[static ATTRIBUTES_MOST])
{
	size_t n = 0;

	for (size_t i = 0; i < map->n && n < ATTRIBUTES_MOST - 1; i++)
		attributes[n++] = (char *)map->pair[i].value;
	attributes[n] = NULL;
}

static const char *attribute_of(const struct conf_map *map, const char *field)
{
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->pair[i].name, field) == 0)
			return map->pair[i].value;
	return NULL;
}

static struct slice slice_of(const struct berval *value)
{
	return (struct slice){value->bv_val, value->bv_len};
}

/* --- which of several values ---------------------------------------------------------------------------------------- */

typedef size_t choice(const struct entry *e, struct berval *const *values);

static size_t first(const struct entry *e, struct berval *const *values)
{
	(void)e;
	(void)values;
	return 0;
}

/* A directory has no order of values: of several names, the one that was typed. */
static size_t as_typed(const struct entry *e, struct berval *const *values)
{
	for (size_t i = 0; values[i]; i++)
		if (slice_eq(slice_of(values[i]), e->login))
			return i;
	for (size_t i = 0; values[i]; i++)
		if (slice_eq_nocase(slice_of(values[i]), e->login))
			return i;
	return 0;
}

/* Of several passwords, one that somebody can have. */
static size_t usable(const struct entry *e, struct berval *const *values)
{
	(void)e;
	for (size_t i = 0; values[i]; i++)
		if (scheme_is_usable(slice_of(values[i])))
			return i;
	return 0;
}

/* Empty: there is no such attribute, or it is empty. */
static enum err take(const struct entry *e, const char *field, choice *which, struct slice *out, struct why *why)
{
	const char *attribute = attribute_of(&e->conf->field_map, field);
	struct berval **values = attribute ? ldap_get_values_len(e->ld, e->message, attribute) : NULL;
	size_t at = e->store->len;
	struct slice value = values && values[0] ? slice_of(values[which(e, values)]) : SLICE("");
	enum err err = OK;

	if (slice_find(value, '\0') < value.n)
		err = fail(why, ERR_PERM, "LDAP field `%s' (`%s') holds a NUL", field, attribute);
	buf_put(e->store, value);
	*out = (struct slice){e->store->p + at, e->store->len - at};
	ldap_value_free_len(values);
	return err;
}

static enum err need(const struct entry *e, const char *field, choice *which, struct slice *out, struct why *why)
{
	const char *attribute = attribute_of(&e->conf->field_map, field);
	enum err err = take(e, field, which, out, why);

	if (err == OK && out->n == 0)
		err = fail(why, ERR_PERM, "LDAP field `%s' (`%s') has NULL value", field,
			   attribute ? attribute : "not in the map");
	return err;
}

static enum err need_number(const struct entry *e, const char *field, uint32_t *out, struct why *why)
{
	struct slice text;
	enum err err = need(e, field, first, &text, why);

	if (err == OK && (!slice_u32(text, out) || *out == UINT32_MAX))
		err = fail(why, ERR_PERM, "LDAP field `%s' (`%s') is no number of a user or group", field,
			   attribute_of(&e->conf->field_map, field));
	return err;
}

/* Text that is no scheme's, where the operator says that passwords stand there in the clear. What looks like a hash is none:
 * whoever knows the hash would get in with it. */
static bool is_clear(const struct conf_ldap *cf, struct slice value)
{
	return cf->plain_passwords && value.n > 0 && !strchr("{$!*", value.p[0]) &&
	       !slice_starts(value, SLICE("SCRAM-SHA-"));
}

/* None is no error here: another module may check the password, which is for the chain to know. */
static enum err take_secret(const struct entry *e, struct slice *out, struct why *why)
{
	struct slice value;
	enum err err = take(e, "passwd", usable, &value, why);
	size_t at = e->store->len;

	*out = value;
	if (err != OK || !is_clear(e->conf, value))
		return err;
	buf_str(e->store, "{PLAIN}");
	buf_put(e->store, value);
	*out = (struct slice){e->store->p + at, e->store->len - at};
	return OK;
}

static void place_write(const struct entry *e, struct backend_record *r)
{
	char *dn = ldap_get_dn(e->ld, e->message);

	(void)snprintf(r->place, sizeof r->place, "LDAP entry `%s'", dn ? dn : "");
	ldap_memfree(dn);
}

enum err entry_read(LDAP *ld, LDAPMessage *message, const struct conf_ldap *cf, const struct backend_ask *ask,
		    struct buf *store, struct backend_record *r, struct why *why)
{
	struct entry e = {.ld = ld, .message = message, .conf = cf, .login = ask->login, .store = store};
	enum err err = need(&e, "name", as_typed, &r->name, why);

	place_write(&e, r);
	if (err == OK)
		err = need_number(&e, "uid", &r->uid, why);
	if (err == OK)
		err = need_number(&e, "gid", &r->gid, why);
	if (err == OK)
		err = need(&e, "dir", first, &r->home, why);
	if (err == OK)
		err = take(&e, "gecos", first, &r->gecos, why);
	if (err == OK)
		err = take(&e, "shell", first, &r->shell, why);
	if (err == OK)
		err = take(&e, "mailbox", first, &r->mailbox, why);
	if (err == OK)
		err = take(&e, "quota", first, &r->quota, why);
	r->asks_source = cf->auth_bind;
	if (err == OK && ask->wants_secret && !cf->auth_bind)
		err = take_secret(&e, &r->secret, why);
	if (err == OK && store->full)
		err = fail(why, ERR_PERM, "%s is too large", r->place);
	return err;
}
