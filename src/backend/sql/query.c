/* backend/sql/query.c - see query.h */
#include "backend/sql/query.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/expand.h"

struct reader {
	struct slice rest;
	struct buf out;
	struct sql_query *q;
	struct arena *arena;
	const struct sql_dialect *d;
	const char *statement;
	struct why *why;
};

static enum err refuse(const struct reader *r, const char *reason)
{
	return fail(r->why, ERR_PERM, "sql { %s }: %s", r->statement, reason);
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct slice slice_from(struct slice text, size_t n)
{
	return (struct slice){text.p + n, text.n - n};
}

static char char_at(struct slice text, size_t i)
{
	return i < text.n ? text.p[i] : '\0';
}

/* Copies n octets as they are. */
static void copy(struct reader *r, size_t n)
{
	buf_put(&r->out, (struct slice){r->rest.p, n});
	r->rest = slice_from(r->rest, n);
}

static char last_char(const struct reader *r)
{
	return r->out.len > 0 ? r->out.p[r->out.len - 1] : '\0';
}

/* Octets of the variable or command that the text begins with; 0: a `$' that is one. */
static size_t variable_octets(struct slice text)
{
	size_t n = expand_octets(text), name = 1;

	while (is_name_char(char_at(text, name)))
		name++;
	return n > 0 ? n : name > 1 ? name : 0;
}

/* Every variable of a template must be `user': others would be empty, and nobody would know. */
static enum err check_variables(const struct reader *r, struct slice template)
{
	for (size_t at = slice_find(template, '$'); at < template.n; at = slice_find(template, '$')) {
		template = slice_from(template, at + 1);
		struct slice name = slice_from(template, char_at(template, 0) == '{');

		if (char_at(template, 0) == '(' || (template.n == name.n && !is_name_char(char_at(name, 0))))
			continue;
		for (at = 0; is_name_char(char_at(name, at));)
			at++;
		name.n = at;
		if (!slice_eq(name, SLICE("user")))
			return fail(r->why, ERR_PERM, "sql { %s }: unknown variable `%.*s'; there is $user",
				    r->statement, (int)(name.n < 60 ? name.n : 60), name.p);
	}
	return OK;
}

static enum err parameter_add(struct reader *r, struct slice template)
{
	enum err err = check_variables(r, template);
	struct why why;
	const char *kept = arena_str(r->arena, template);

	if (err != OK)
		return err;
	if (!kept)
		return fail(r->why, ERR_TEMP, "not enough memory");
	if (expand_check(template, false, &why) != OK)
		return fail(r->why, ERR_PERM, "sql { %s }: %.200s", r->statement, why.text);
	if (r->q->parameters == SQL_PARAMETERS_MOST)
		return refuse(r, "too many variables");
	r->q->parameter[r->q->parameters++] = (struct slice){kept, template.n};
	buf_char(&r->out, r->d->numbered ? '$' : '?');
	if (r->d->numbered)
		buf_u64(&r->out, r->q->parameters);
	return OK;
}

/* Octets up to the quote that closes the one at the beginning, without either; text.n: there is none. A doubled quote is one of
 * the literal. */
static enum err quoted_octets(const struct reader *r, size_t *octets, bool *variable, bool *backslash)
{
	struct slice text = r->rest;
	char quote = text.p[0];
	size_t i = 1, skip;

	for (*variable = *backslash = false; i < text.n; i += skip) {
		size_t n = text.p[i] == '$' ? variable_octets(slice_from(text, i)) : 0;

		skip = n > 0 ? n : 1;
		*variable |= n > 0;
		if (text.p[i] == '\\') {
			*backslash = true;
			if (char_at(text, i + 1) == quote)
				return refuse(r, "a backslash before a quote means one thing to this server and "
						 "another to the next; "
						 "double the quote instead");
		}
		if (text.p[i] == quote) {
			if (char_at(text, i + 1) != quote)
				break;
			skip = 2;
		}
	}
	if (i >= text.n)
		return refuse(r, "a quote is not closed");
	*octets = i - 1;
	return OK;
}

/* The literal's text: doubled quotes are one. */
static struct slice unquoted(struct arena *arena, struct slice inside, char quote)
{
	char *text = arena_zero(arena, inside.n + 1);
	size_t n = 0;

	for (size_t i = 0; text && i < inside.n; i++) {
		text[n++] = inside.p[i];
		if (inside.p[i] == quote && char_at(inside, i + 1) == quote)
			i++;
	}
	return (struct slice){text, n};
}

static enum err read_quoted(struct reader *r)
{
	char quote = r->rest.p[0];
	size_t n = 0;
	bool variable = false, backslash = false;
	enum err err = quoted_octets(r, &n, &variable, &backslash);

	if (err != OK)
		return err;
	if (!variable) {
		copy(r, n + 2);
		return OK;
	}
	if (quote != '\'' && !(quote == '"' && r->d->double_quotes))
		return refuse(r,
			      "a variable cannot be part of the name of a table or column; for a value write '$user'");
	if (is_name_char(last_char(r)) || last_char(r) == '&')
		return refuse(r, "a literal with a variable can have no prefix; write '$user'");
	if (backslash)
		return refuse(r, "a literal with a variable can hold no backslash, which servers read differently; "
				 "put the pieces together with the server's functions");
	struct slice template = unquoted(r->arena, (struct slice){r->rest.p + 1, n}, quote);

	r->rest = slice_from(r->rest, n + 2);
	return template.p ? parameter_add(r, template) : fail(r->why, ERR_TEMP, "not enough memory");
}

/* ${user:+TEXT} and ${user:=TEXT} outside of a literal: TEXT would be SQL. */
static bool is_piece_of_sql(struct slice variable)
{
	if (!slice_starts(variable, SLICE("${")))
		return false;
	struct slice op = slice_from(variable, 2);

	while (is_name_char(char_at(op, 0)))
		op = slice_from(op, 1);
	if (char_at(op, 0) == ':')
		op = slice_from(op, 1);
	return char_at(op, 0) == '+' || char_at(op, 0) == '=';
}

/* A variable that stands by itself. */
static enum err read_variable(struct reader *r)
{
	size_t n = variable_octets(r->rest);
	struct slice variable = {r->rest.p, n};
	char next = char_at(r->rest, n), behind = char_at(r->rest, n + 1);

	if (n == 0)
		return refuse(r, "`$' outside of a literal; write literals in single quotes");
	if (is_name_char(last_char(r)) || last_char(r) == '.' || is_name_char(next) ||
	    (next == '.' && is_name_char(behind)))
		return refuse(r,
			      "a variable cannot be part of the name of a table or column; for a value write '$user'");
	if (is_piece_of_sql(variable))
		return refuse(r, "${user:+...} outside of a literal would be a piece of SQL, and values are no SQL");
	r->rest = slice_from(r->rest, n);
	return parameter_add(r, variable);
}

/* Its first n octets, and on to what ends it, or to the end of all. */
static void copy_comment(struct reader *r, size_t n, struct slice end)
{
	while (n < r->rest.n && !slice_starts(slice_from(r->rest, n), end))
		n++;
	copy(r, n < r->rest.n ? n + end.n : r->rest.n);
}

/* A semicolon may end the query. */
static enum err read_end(struct reader *r)
{
	r->rest = slice_from(r->rest, 1);
	for (size_t i = 0; i < r->rest.n; i++)
		if (!strchr(" \t\r\n;", r->rest.p[i]))
			return refuse(r, "one query, not several");
	r->rest.n = 0;
	return OK;
}

static enum err read_next(struct reader *r)
{
	char c = r->rest.p[0], next = char_at(r->rest, 1);

	if (c == '\'' || c == '"' || c == '`')
		return read_quoted(r);
	if (c == '$')
		return read_variable(r);
	if (c == ';')
		return read_end(r);
	if (c == '?' && !r->d->numbered)
		return refuse(r, "`?' outside of a literal; write $user where the user's name belongs");
	if (c == '/' && next == '*')
		copy_comment(r, 2, SLICE("*/"));
	else if ((c == '-' && next == '-') || (c == '#' && r->d->hash_comments))
		copy_comment(r, 1, SLICE("\n"));
	else
		copy(r, 1);
	return OK;
}

enum err sql_query_read(struct sql_query *q, struct arena *arena, const char *statement, struct slice template,
			const struct sql_dialect *d, struct why *why)
{
	/* A placeholder may be longer than what it stands for: $9 for $u, $16 for ''. */
	size_t cap = template.n + (size_t)SQL_PARAMETERS_MOST * sizeof "$16" + 1;
	char *text = arena_zero(arena, cap);
	struct reader r = {.rest = template,
			   .out = {.p = text, .cap = cap - 1},
			   .q = q,
			   .arena = arena,
			   .d = d,
			   .statement = statement,
			   .why = why};
	enum err err = OK;

	*q = (struct sql_query){0};
	if (!text)
		return fail(why, ERR_TEMP, "not enough memory");
	while (r.rest.n > 0 && err == OK)
		err = read_next(&r);
	if (err == OK && r.out.full)
		err = refuse(&r, "too long");
	if (err == OK && slice_trim(buf_slice(&r.out)).n == 0)
		err = refuse(&r, "a query is expected");
	q->text = text;
	return err;
}

enum err sql_query_values(const struct sql_query *q, struct slice user, struct buf *out,
			  struct slice value[static SQL_PARAMETERS_MOST], struct why *why)
{
	const struct conf_var vars[] = {{"user", user}};

	for (size_t i = 0; i < q->parameters; i++) {
		size_t start = out->len;
		enum err err = conf_expand(out, q->parameter[i], vars, 1, NULL, why);

		if (err != OK)
			return err;
		value[i] = (struct slice){out->p + start, out->len - start};
		buf_char(out, '\0');
	}
	return out->full ? fail(why, ERR_AUTH, "no such user: the name is too long") : OK;
}

/* Octets of the character that the text begins with; 0: none of UTF-8. */
static size_t utf8_octets(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	size_t form = 0;

	while (form < sizeof forms / sizeof *forms && (p[0] & forms[form].mask) != forms[form].lead)
		form++;
	if (form == sizeof forms / sizeof *forms || form >= n)
		return 0;
	uint32_t c = p[0] & (unsigned char)~forms[form].mask;

	for (size_t i = 1; i <= form; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	return c < forms[form].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : form + 1;
}

bool sql_is_utf8(struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t n = 1;

	for (size_t i = 0; i < text.n && n > 0; i += n)
		n = utf8_octets(p + i, text.n - i);
	return n > 0;
}
