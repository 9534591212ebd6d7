/* backend/radius/pairs.c - see pairs.h */
#include "backend/radius/pairs.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "conf/expand.h"

enum { PAIRS_MOST = 64, EXPANDED_MOST = 1024, ATTRIBUTE_NAME_MOST = 64 };

/* --- from text to pairs ----------------------------------------------------------------------------------------- */

static void blanks_drop(struct slice *text)
{
	while (text->n > 0 && memchr(" \t\r\n", text->p[0], 4))
		*text = (struct slice){text->p + 1, text->n - 1};
}

/* A name, up to a blank, `=' or comma. */
static struct slice name_take(struct slice *text)
{
	struct slice name = {text->p, 0};

	while (name.n < text->n && !memchr(" \t\r\n=,\"", text->p[name.n], 7))
		name.n++;
	*text = (struct slice){text->p + name.n, text->n - name.n};
	return name;
}

/* A value in quotes, without them and without backslashes; false: it does not end. What follows is $name or ${...}, in which quotes
 * are not looked for. */
static bool quoted_take(struct slice *text, struct buf *out)
{
	for (size_t i = 1; i < text->n;) {
		size_t n = expand_octets((struct slice){text->p + i, text->n - i});

		if (n == 0 && text->p[i] == '"') {
			*text = (struct slice){text->p + i + 1, text->n - i - 1};
			return true;
		}
		if (n == 0 && text->p[i] == '\\' && i + 1 < text->n)
			i++;
		n = n ? n : 1;
		buf_put(out, (struct slice){text->p + i, n});
		i += n;
	}
	return false;
}

/* A word up to a comma or a blank. */
static void word_take_value(struct slice *text, struct buf *out)
{
	size_t i = 0;

	while (i < text->n && !memchr(" \t\r\n,", text->p[i], 5)) {
		size_t n = expand_octets((struct slice){text->p + i, text->n - i});

		i += n ? n : 1;
	}
	buf_put(out, (struct slice){text->p, i});
	*text = (struct slice){text->p + i, text->n - i};
}

static bool has_variable(struct slice value)
{
	return slice_find(value, '$') < value.n;
}

static bool names_password(struct slice value)
{
	return value.n > 0 && memmem(value.p, value.n, "passwd", 6) && has_variable(value);
}

struct parser {
	const struct dictionary *d;
	const char *statement;
	struct why *why;
};

static enum err bad(const struct parser *x, const char *what, struct slice about)
{
	(void)fail(x->why, ERR_PERM, "radius.%s: %s%s%.*s", x->statement, what, about.n ? " " : "",
		   (int)(about.n < ATTRIBUTE_NAME_MOST ? about.n : ATTRIBUTE_NAME_MOST), about.n ? about.p : "");
	return ERR_PERM;
}

static enum err value_take(const struct parser *x, struct slice *text, struct slice *value)
{
	char *room = arena_zero(x->d->arena, text->n + 1);
	struct buf b = {.p = room, .cap = text->n + 1};

	if (!room)
		return fail(x->why, ERR_TEMP, "radius: not enough memory");
	if (slice_starts(*text, SLICE("\""))) {
		if (!quoted_take(text, &b))
			return bad(x, "a value has no closing quote", (struct slice){0});
	} else {
		word_take_value(text, &b);
		if (b.len == 0)
			return bad(x, "expected a value before", *text);
	}
	*value = buf_slice(&b);
	return OK;
}

/* 0xHEX, to octets in the same place. */
static enum err hex_decode(const struct parser *x, struct slice *value)
{
	char *out = arena_zero(x->d->arena, value->n + 1);
	uint64_t n;

	if (!slice_starts(*value, SLICE("0x")))
		return OK;
	if (!out)
		return fail(x->why, ERR_TEMP, "radius: not enough memory");
	for (size_t i = 2; i < value->n; i += 2) {
		char digits[] = {'0', 'x', value->p[i], i + 1 < value->n ? value->p[i + 1] : '?'};

		if (!number_parse((struct slice){digits, sizeof digits}, &n))
			return bad(x, "expected pairs of hexadecimal digits:", *value);
		out[i / 2 - 1] = (char)n;
	}
	*value = (struct slice){out, value->n / 2 - 1};
	return OK;
}

/* One that can be sent; NULL: why says why not. */
static const struct dictionary_attribute *attribute_find(const struct parser *x, struct slice name)
{
	const struct dictionary_attribute *a = dictionary_find(x->d, name);
	const char *wrong = NULL;

	if (!a)
		wrong = "no dictionary has an attribute";
	else if (a->type == TYPE_OTHER)
		wrong = "an attribute of that type cannot be sent:";
	else if (a->vendor == 0 && a->number == ATTRIBUTE_MESSAGE_AUTHENTICATOR)
		wrong = "is in each request anyway:";
	if (!wrong)
		return a;
	(void)bad(x, wrong, name);
	return NULL;
}

static enum err pair_take(const struct parser *x, struct slice *text, struct pair *pair)
{
	struct slice name = name_take(text);

	if (name.n == 0)
		return bad(x, "expected ATTRIBUTE = VALUE, found", *text);
	pair->attribute = attribute_find(x, name);
	if (!pair->attribute)
		return ERR_PERM;
	blanks_drop(text);
	if (!slice_starts(*text, SLICE("=")))
		return bad(x, "expected `=' behind", name);
	*text = (struct slice){text->p + 1, text->n - 1};
	blanks_drop(text);
	enum err err = value_take(x, text, &pair->value);

	pair->varies = err == OK && has_variable(pair->value);
	if (err == OK && !pair->varies && pair->attribute->type == TYPE_OCTETS)
		err = hex_decode(x, &pair->value);
	return err;
}

static enum err pair_put(const struct pair *pair, const struct dictionary *d, struct packet *request,
			 struct slice secret, struct slice value, struct why *why);

/* A value that is no template is checked here, once. */
static enum err pair_check(const struct parser *x, const struct pair *pair)
{
	static const uint8_t none[AUTHENTICATOR];
	struct packet p;
	struct why why = {""};
	enum err err;

	if (pair->varies)
		return expand_check(pair->value, false, x->why);
	packet_begin(&p, 0, none);
	err = pair_put(pair, x->d, &p, SLICE("x"), pair->value, &why);
	packet_wipe(&p);
	return err == OK ? OK : fail(x->why, ERR_PERM, "radius.%s: %s", x->statement, why.text);
}

static void pair_add(struct pairs *p, const struct pair *pair)
{
	uint8_t number = pair->attribute->vendor ? 0 : pair->attribute->number;

	p->secret |= names_password(pair->value);
	p->names_us |= number == 4 || number == 32 || number == 95;
	p->pair[p->n++] = *pair;
}

enum err pairs_parse(struct pairs *p, const struct dictionary *d, const char *statement, const char *text,
		     struct why *why)
{
	struct parser x = {d, statement, why};
	struct slice rest = slice_str(text);
	enum err err = OK;

	*p = (struct pairs){.pair = arena_zero(d->arena, PAIRS_MOST * sizeof *p->pair)};
	if (!p->pair)
		return fail(why, ERR_TEMP, "radius: not enough memory");
	for (blanks_drop(&rest); rest.n > 0; blanks_drop(&rest)) {
		struct pair pair = {0};

		if (p->n == PAIRS_MOST)
			return bad(&x, "too many attributes", (struct slice){0});
		err = pair_take(&x, &rest, &pair);
		if (err == OK)
			err = pair_check(&x, &pair);
		if (err != OK)
			return err;
		pair_add(p, &pair);
		blanks_drop(&rest);
		if (rest.n > 0 && slice_take(&rest, ',').n > 0)
			return bad(&x, "expected a comma behind the value of", slice_str(pair.attribute->name));
	}
	return p->n > 0 ? OK : bad(&x, "expected ATTRIBUTE = VALUE", (struct slice){0});
}

/* --- from pairs to packets -------------------------------------------------------------------------------------- */

static enum err no_value(const struct pair *pair, const char *expected, struct why *why)
{
	return fail(why, ERR_AUTH, "%s: the value is not %s", pair->attribute->name, expected);
}

static enum err put_number(const struct pair *pair, struct packet *request, uint64_t n, struct why *why)
{
	size_t octets = pair->attribute->octets;
	char out[sizeof n];

	if (octets < sizeof n && n >> (8 * octets) != 0)
		return no_value(pair, "within the attribute's range", why);
	for (size_t i = 0; i < octets; i++)
		out[i] = (char)(n >> (8 * (octets - 1 - i)));
	packet_put(request, pair->attribute->vendor, pair->attribute->number, (struct slice){out, octets});
	return OK;
}

static enum err put_integer(const struct pair *pair, const struct dictionary *d, struct packet *request,
			    struct slice value, struct why *why)
{
	const struct dictionary_value *v = pair->varies ? NULL : dictionary_value_find(d, pair->attribute->name, value);
	uint64_t n = v ? v->number : 0;

	if (!v && !slice_u64(value, &n))
		return no_value(pair, "a number, nor a name that a dictionary has", why);
	return put_number(pair, request, n, why);
}

/* Seconds since 1970, or YYYY-MM-DD[ HH:MM:SS] of UTC. */
static enum err put_date(const struct pair *pair, struct packet *request, struct slice value, struct why *why)
{
	struct tm tm = {0};
	char text[32];
	uint64_t n;

	if (!slice_u64(value, &n)) {
		const char *end = slice_cstr(value, text, sizeof text) ? strptime(text, "%Y-%m-%d", &tm) : NULL;

		if (end && *end)
			end = strptime(end, " %H:%M:%S", &tm);
		if (!end || *end || timegm(&tm) < 0)
			return no_value(pair, "a date: YYYY-MM-DD HH:MM:SS, or seconds since 1970", why);
		n = (uint64_t)timegm(&tm);
	}
	return put_number(pair, request, n, why);
}

static enum err put_address(const struct pair *pair, struct packet *request, struct slice value, struct why *why)
{
	bool four = pair->attribute->type == TYPE_IPADDR;
	char text[INET6_ADDRSTRLEN], octets[16];

	if (!slice_cstr(value, text, sizeof text) || inet_pton(four ? AF_INET : AF_INET6, text, octets) != 1)
		return no_value(pair, four ? "an IPv4 address" : "an IPv6 address", why);
	packet_put(request, pair->attribute->vendor, pair->attribute->number, (struct slice){octets, four ? 4 : 16});
	return OK;
}

static enum err put_text(const struct pair *pair, struct packet *request, struct slice secret, struct slice value,
			 struct why *why)
{
	const struct dictionary_attribute *a = pair->attribute;

	if (a->hidden) {
		if (!packet_put_hidden(request, a->vendor, a->number, value, secret))
			return fail(why, ERR_TEMP, "MD5 cannot be computed");
		return OK;
	}
	if (value.n == 0)
		return OK; /* RFC 2865, section 5: an attribute without a value is left out */
	packet_put(request, a->vendor, a->number, value);
	return OK;
}

static enum err put_value(const struct pair *pair, const struct dictionary *d, struct packet *request,
			  struct slice secret, struct slice value, struct why *why)
{
	switch (pair->attribute->type) {
	case TYPE_STRING:
	case TYPE_OCTETS:
		return put_text(pair, request, secret, value, why);
	case TYPE_INTEGER:
		return put_integer(pair, d, request, value, why);
	case TYPE_DATE:
		return put_date(pair, request, value, why);
	case TYPE_IPADDR:
	case TYPE_IPV6ADDR:
		return put_address(pair, request, value, why);
	case TYPE_OTHER:
		break;
	}
	return no_value(pair, "of a type that can be sent", why);
}

static enum err pair_put(const struct pair *pair, const struct dictionary *d, struct packet *request,
			 struct slice secret, struct slice value, struct why *why)
{
	enum err err = put_value(pair, d, request, secret, value, why);

	if (err == OK && request->full)
		return fail(why, ERR_AUTH, "%s: the value has %zu octets, more than RADIUS can carry",
			    pair->attribute->name, value.n);
	return err;
}

enum err pairs_put(const struct pairs *p, const struct dictionary *d, struct packet *request, struct slice secret,
		   const struct conf_var *vars, size_t nvars, struct why *why)
{
	char text[EXPANDED_MOST + 256];
	enum err err = OK;

	for (size_t i = 0; i < p->n && err == OK; i++) {
		struct buf b = BUF(text);

		if (p->pair[i].varies)
			err = conf_expand(&b, p->pair[i].value, vars, nvars, NULL, why);
		else
			buf_put(&b, p->pair[i].value);
		if (err == OK && b.full)
			err = fail(why, ERR_AUTH, "%s: the value is longer than RADIUS can carry",
				   p->pair[i].attribute->name);
		if (err == OK)
			err = pair_put(&p->pair[i], d, request, secret, buf_slice(&b), why);
	}
	explicit_bzero(text, sizeof text);
	return err;
}
