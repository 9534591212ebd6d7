/* backend/sql/record.c - a user's record, and his secret, from rows */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "backend/sql/sql.h"

enum field { NAME, PASSWD, UID, GID, GECOS, DIR, SHELL, MAILBOX, QUOTA, FIELDS };
static const struct {
	const char *name;
	bool mandatory;
} fields[FIELDS] = {
	[NAME] = {"name", true},   [PASSWD] = {"passwd", true},    [UID] = {"uid", true},
	[GID] = {"gid", true},     [GECOS] = {"gecos", false},     [DIR] = {"dir", true},
	[SHELL] = {"shell", true}, [MAILBOX] = {"mailbox", false}, [QUOTA] = {"quota", false},
};

/* The column that a field is in: field-map's, or of its own name. */
static const char *field_column(const struct sql *db, enum field f)
{
	const struct conf_map *map = &db->cf->field_map;

	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->pair[i].name, fields[f].name) == 0)
			return map->pair[i].value;
	return fields[f].name;
}

/* Names of columns have no case. */
static const struct sql_column *column_find(const struct sql_row *row, const char *name)
{
	for (size_t i = 0; i < row->columns; i++)
		if (slice_eq_nocase(row->column[i].name, slice_str(name)))
			return &row->column[i];
	return NULL;
}

static bool is_text(struct slice text)
{
	return slice_find(text, '\0') == text.n && slice_find(text, '\r') == text.n && slice_find(text, '\n') == text.n;
}

static enum err fields_read(const struct sql *db, struct slice value[static FIELDS], struct why *why)
{
	for (enum field f = NAME; f < FIELDS; f++) {
		const char *name = field_column(db, f);
		const struct sql_column *c = column_find(&db->row, name);

		if (!c && fields[f].mandatory)
			return fail(why, ERR_PERM, "SQL field `%s' (`%.60s') is not in the answer to the query",
				    fields[f].name, name);
		if (c && c->null && fields[f].mandatory)
			return fail(why, ERR_PERM, "SQL field `%s' (`%.60s') has NULL value", fields[f].name, name);
		if (c && !is_text(c->value))
			return fail(why, ERR_PERM, "SQL field `%s' (`%.60s') holds the end of a line, or a NUL",
				    fields[f].name, name);
		value[f] = c ? c->value : (struct slice){0};
	}
	return OK;
}

static enum err number_read(const struct sql *db, enum field f, struct slice text, uint32_t *out, struct why *why)
{
	return slice_u32(text, out) ? OK
				    : fail(why, ERR_PERM, "SQL field `%s' (`%.60s') is no number: %.*s", fields[f].name,
					   field_column(db, f), (int)(text.n < 40 ? text.n : 40), text.p);
}

static void place_write(const struct sql *db, struct backend_record *r)
{
	const struct conf_sql *cf = db->cf;

	(void)snprintf(r->place, sizeof r->place, "%s data base %.100s%s%.60s%s", sql_driver.name, cf->db ? cf->db : "",
		       cf->host ? " of " : "", cf->host ? cf->host : "",
		       db->row.more ? " (the first of several rows)" : "");
}

enum err sql_record(struct sql *db, struct backend_record *r, struct why *why)
{
	struct slice value[FIELDS] = {{0}};
	enum err err = fields_read(db, value, why);

	*r = (struct backend_record){0};
	if (err == OK)
		err = number_read(db, UID, value[UID], &r->uid, why);
	if (err == OK)
		err = number_read(db, GID, value[GID], &r->gid, why);
	if (err != OK)
		return err;
	r->name = value[NAME];
	r->hash = value[PASSWD];
	r->gecos = column_find(&db->row, field_column(db, GECOS)) ? value[GECOS] : SLICE("SQL user");
	r->home = value[DIR];
	r->shell = value[SHELL];
	r->mailbox = value[MAILBOX];
	r->quota = value[QUOTA];
	if (slice_starts(value[PASSWD], SLICE("!")))
		r->refusal = "locked: its passwd begins with `!'";
	place_write(db, r);
	return OK;
}

/* Whether a stored password says itself what it is, as Dovecot and directories have it: {SSHA}..., {SCRAM-SHA-256}... */
static bool has_scheme(struct slice text)
{
	size_t i = 1;

	if (!slice_starts(text, SLICE("{")))
		return false;
	while (i < text.n &&
	       (isupper((unsigned char)text.p[i]) || isdigit((unsigned char)text.p[i]) || strchr("-.", text.p[i])))
		i++;
	return i > 1 && i < text.n && text.p[i] == '}';
}

/* What stands before the text; RFC 5803's verifiers are told from hashes by whoever checks them. */
static const char *secret_prefix(enum sql_password encryption, struct slice text)
{
	if (encryption == SQL_SCRAMBLED)
		return "{SCRAMBLED}";
	if (has_scheme(text))
		return "";
	if (encryption == SQL_PLAIN)
		return "{PLAIN}";
	return slice_starts(text, SLICE("SCRAM-SHA-")) ? "" : "{CRYPT}";
}

struct slice sql_secret(struct sql *db)
{
	const struct sql_column *c = &db->pass.column[0];
	struct buf secret = BUF(db->secret);

	explicit_bzero(db->secret, sizeof db->secret);
	if (db->pass.columns == 0 || c->null || c->value.n == 0 || !is_text(c->value))
		return (struct slice){0};
	buf_str(&secret, secret_prefix(db->cf->password_encryption, c->value));
	buf_put(&secret, c->value);
	if (secret.full)
		return (struct slice){0};
	return buf_slice(&secret);
}
