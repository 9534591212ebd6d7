/* conf/kinds.c - parsers of single values, one per kind (kinds.h) */
#include "conf/kinds.h"

#include <netdb.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "conf/expand.h"
#include "conf/uidl_pattern.h"

static enum err keep(struct setting *s, const char **to, const char *text, struct why *why)
{
	char *copy = arena_str(s->arena, slice_str(text));

	if (!copy)
		return fail(why, ERR_TEMP, "not enough memory");
	*to = copy;
	return OK;
}

static enum err parse_bool(struct setting *s, const char *text, struct why *why)
{
	static const struct word words[] = {{"yes", true},    {"on", true},  {"t", true},    {"true", true},
					    {"1", true},      {"no", false}, {"off", false}, {"nil", false},
					    {"false", false}, {"0", false}};

	for (const struct word *w = words; w < words + sizeof words / sizeof words[0]; w++) {
		if (strcmp(w->name, text) == 0) {
			*(bool *)s->member = w->value;
			return OK;
		}
	}
	return fail(why, ERR_PERM, "Invalid argument");
}

/* A whole decimal number; a minus sign is never in range. */
static enum err parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct why *why)
{
	bool minus = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	uint64_t n = 0;

	if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
		return fail(why, ERR_PERM, "Invalid argument");
	if (!slice_u64(slice_str(digits), &n) || (minus && n > 0) || n < min || n > max)
		return fail(why, ERR_PERM, "Numerical result out of range");
	*out = n;
	return OK;
}

static uint64_t most(const struct statement *st)
{
	return st->max ? st->max : UINT32_MAX;
}

static enum err parse_number(struct setting *s, const char *text, struct why *why)
{
	uint64_t n = 0;
	enum err err = parse_u64(text, s->st->min, most(s->st), &n, why);

	if (err == OK)
		*(uint32_t *)s->member = (uint32_t)n;
	return err;
}

static enum err parse_time(struct setting *s, const char *text, struct why *why)
{
	uint64_t n = 0;
	enum err err = time_parse(slice_str(text), &n, why);

	if (err == OK && (n < s->st->min || n > most(s->st)))
		err = fail(why, ERR_PERM, "Numerical result out of range");
	if (err == OK)
		((struct seconds *)s->member)->n = n;
	return err;
}

static enum err parse_string(struct setting *s, const char *text, struct why *why)
{
	return keep(s, s->member, text, why);
}

static const struct word *word_find(const struct words *words, const char *text)
{
	for (const struct word *w = words->word; w->name; w++)
		if (strcmp(w->name, text) == 0)
			return w;
	return NULL;
}

/* The error that belongs to the words, with the word that is none of them. */
static enum err not_a_word(const struct words *words, const char *text, struct why *why)
{
	char shown[128];
	struct buf b = {.p = shown, .cap = sizeof shown - 1};
	struct slice says = slice_str(words->says);

	buf_put(&b, slice_take(&says, '%'));
	if (says.n > 0) {
		buf_put(&b, (struct slice){text, strnlen(text, 64)});
		buf_put(&b, (struct slice){says.p + 1, says.n - 1}); /* behind the s */
	}
	shown[b.len] = '\0';
	return fail(why, ERR_PERM, "%s", shown);
}

static enum err parse_word(struct setting *s, const char *text, struct why *why)
{
	const struct word *w = word_find(s->st->words, text);

	if (!w)
		return not_a_word(s->st->words, text, why);
	*(int *)s->member = w->value;
	return OK;
}

static enum err parse_name(struct setting *s, const char *text, struct why *why)
{
	const struct word *w = word_find(s->st->words, text);

	if (!w)
		return not_a_word(s->st->words, text, why);
	*(const char **)s->member = w->name;
	return OK;
}

static enum err parse_path(struct setting *s, const char *text, struct why *why)
{
	if (text[0] == '/')
		return parse_string(s, text, why);
	return s->st->words ? parse_name(s, text, why) : fail(why, ERR_PERM, "Invalid argument");
}

static enum err parse_numbered(struct setting *s, const char *text, struct why *why)
{
	uint64_t n = 0;

	if (parse_word(s, text, NULL) == OK)
		return OK;
	if (parse_u64(text, s->st->min, most(s->st), &n, NULL) != OK)
		return not_a_word(s->st->words, text, why);
	*(int *)s->member = (int)n;
	return OK;
}

static enum err parse_facility(struct setting *s, const char *text, struct why *why)
{
	struct slice name = slice_str(text);
	uint64_t n = 0;

	if (name.n > 4 && slice_eq_nocase((struct slice){name.p, 4}, SLICE("LOG_")))
		name = (struct slice){name.p + 4, name.n - 4};
	for (const struct word *w = s->st->words->word; w->name; w++) {
		if (slice_eq_nocase(slice_str(w->name), name)) {
			*(int *)s->member = w->value;
			return OK;
		}
	}
	if (parse_u64(text, s->st->min, most(s->st), &n, NULL) != OK)
		return not_a_word(s->st->words, text, why);
	*(int *)s->member = (int)n << 3; /* as syslog.h shifts them */
	return OK;
}

enum err conf_facility(const char *word, int *out, struct why *why)
{
	int facility = 0;
	struct setting s = {.st = statement_find("logging", "facility"), .member = &facility};
	enum err err = parse_facility(&s, word, why);

	if (err == OK)
		*out = facility;
	return err;
}

enum err port_parse(struct slice text, uint16_t *port, struct why *why)
{
	char name[64], store[1024];
	struct servent service, *found = NULL;
	uint64_t n = 0;

	if (text.n > 0 && strspn(text.p, "0123456789") >= text.n) {
		if (!slice_u64(text, &n) || n > UINT16_MAX)
			return fail(why, ERR_TEMP, "invalid port number: %.*s", (int)(text.n < 32 ? text.n : 32),
				    text.p);
		*port = (uint16_t)n;
		return OK;
	}
	if (!slice_cstr(text, name, sizeof name) ||
	    getservbyname_r(name, "tcp", &service, store, sizeof store, &found) != 0 || !found)
		return fail(why, ERR_PERM, "unknown service: %.*s", (int)(text.n < 64 ? text.n : 64), text.p);
	*port = ntohs((uint16_t)service.s_port);
	return OK;
}

static enum err parse_port(struct setting *s, const char *text, struct why *why)
{
	struct conf_port port = {.given = true};
	enum err err = port_parse(slice_str(text), &port.n, why);

	if (err == OK)
		*(struct conf_port *)s->member = port;
	return err;
}

static enum err parse_owner(struct setting *s, const char *text, struct why *why)
{
	char store[4096];
	struct passwd pw, *found = NULL;
	uint64_t n = 0;

	if (getpwnam_r(text, &pw, store, sizeof store, &found) != 0 || !found)
		found = NULL;
	if (!found && parse_u64(text, 0, UINT32_MAX - 1, &n, NULL) != OK)
		return fail(why, ERR_PERM, "no such user: %.64s", text);
	*(struct conf_owner *)s->member = (struct conf_owner){found ? pw.pw_uid : (uid_t)n, true};
	return OK;
}

static enum err parse_secret(struct setting *s, const char *text, struct why *why)
{
	if (!secret_set(s->member, slice_str(text)))
		return fail(why, ERR_PERM, "longer than %d octets", SECRET_MOST);
	return OK;
}

static enum err parse_template(struct setting *s, const char *text, struct why *why)
{
	enum err err = expand_check(slice_str(text), true, why);

	return err == OK ? keep(s, s->member, text, why) : err;
}

/* mail-spool VALUE is mailbox-pattern VALUE/${user}; one that ends in "user=" is completed there. */
static enum err parse_spool(struct setting *s, const char *text, struct why *why)
{
	size_t n = strlen(text);
	bool key = n >= 5 && strcmp(text + n - 5, "user=") == 0;
	bool slash = n > 0 && text[n - 1] == '/';

	if (n == 0 || (!key && text[n - 1] == '='))
		return fail(why, ERR_PERM,
			    "cannot set mail directory name to `%.128s': Badly formed file or directory name", text);
	size_t cap = n + sizeof "/${user}";
	char *pattern = arena_zero(s->arena, cap);

	if (!pattern)
		return fail(why, ERR_TEMP, "not enough memory");
	snprintf(pattern, cap, "%s%s${user}", text, key || slash ? "" : "/");
	return parse_template(s, pattern, why);
}

static enum err parse_uidl_format(struct setting *s, struct why *why)
{
	const struct value *v = s->values;
	bool dovecot = v->text && strcmp(v->text, "dovecot") == 0;

	if (!v->text || (v->next && (!dovecot || !v->next->text || v->next->next)))
		return fail(why, ERR_PERM, "expected string value");
	if (dovecot && !v->next)
		return fail(why, ERR_PERM, "required argument missing");
	enum err err = parse_name(s, v->text, why);

	if (err != OK)
		return err;
	bool numbers;

	if (dovecot && !uidl_pattern_is(slice_str(v->next->text), &numbers))
		return fail(why, ERR_PERM, "not a pattern of unique-ids: %s", v->next->text);
	s->cf->mailbox.uidl_pattern = NULL;
	return dovecot ? keep(s, &s->cf->mailbox.uidl_pattern, v->next->text, why) : OK;
}

/* all | none | since "YYYY-MM-DD" */
static enum err parse_bulletin_new(struct setting *s, struct why *why)
{
	const struct value *v = s->values;
	const struct word *w = v->text ? word_find(s->st->words, v->text) : NULL;
	struct tm tm = {0};
	const char *end;

	if (!v->text || (v->next && (!v->next->text || v->next->next)))
		return fail(why, ERR_PERM, "expected string value");
	if (!w)
		return not_a_word(s->st->words, v->text, why);
	if ((w->value == BULLETINS_SINCE) != (v->next != NULL))
		return fail(why, ERR_PERM, v->next ? "expected string value" : "required argument missing");
	if (v->next) {
		end = strptime(v->next->text, "%Y-%m-%d", &tm);
		if (!end || *end)
			return fail(why, ERR_PERM, "invalid date: %.32s", v->next->text);
	}
	s->cf->bulletin_new_user.which = (enum bulletin_new_user)w->value;
	s->cf->bulletin_new_user.since = v->next ? timegm(&tm) : 0;
	return OK;
}

static const struct kind_row {
	const char *word;     /* in help */
	const char *expected; /* NULL: made from the row */
	enum err (*one)(struct setting *s, const char *text, struct why *why);
	enum err (*many)(struct setting *s, struct why *why); /* of values that are several, or a list */
	size_t octets;                                        /* of the member; 0: not to be compared octet by octet */
} kinds[KIND_COUNT] = {
	[KIND_BOOL] = {"boolean", "yes or no (or on, t, true, 1; off, nil, false, 0)", parse_bool, NULL, sizeof(bool)},
	[KIND_NUMBER] = {"number", NULL, parse_number, NULL, sizeof(uint32_t)},
	[KIND_TIME] = {"time", NULL, parse_time, NULL, sizeof(struct seconds)},
	[KIND_STRING] = {"string", "a string", parse_string, NULL, 0},
	[KIND_PATH] = {"string", NULL, parse_path, NULL, 0},
	[KIND_TEMPLATE] = {"string", "a string, with variables as ${user}", parse_template, NULL, 0},
	[KIND_WORD] = {NULL, NULL, parse_word, NULL, sizeof(int)},
	[KIND_NAME] = {NULL, NULL, parse_name, NULL, 0},
	[KIND_NUMBERED] = {NULL, NULL, parse_numbered, NULL, sizeof(int)},
	[KIND_FACILITY] = {NULL, NULL, parse_facility, NULL, sizeof(int)},
	[KIND_PORT] = {"port", "a number from 0 to 65535, or the name of a TCP service", parse_port, NULL, 0},
	[KIND_OWNER] = {"user", "the name of a user, or a uid", parse_owner, NULL, 0},
	[KIND_CHECKS] =
		{"list",
		 "names of checks: none, all, gwrfil, awrfil, grdfil, ardfil, linkwrdir, gwrdir, awrdir, each with + "
		 "or - in front or without",
		 NULL, checks_parse, sizeof(struct conf_checks)},
	[KIND_SECRET] = {"string", "a password", parse_secret, NULL, 0},
	[KIND_MAP] = {"list", "NAME=VALUE, in a list or with colons between", NULL, map_parse, 0},
	[KIND_CHAIN] = {"list", "names of modules, in a list or with colons between", NULL, chain_parse, 0},
	[KIND_DEBUG] = {"string", "CATEGORY[.LEVEL[,LEVEL]...][;...]", NULL, debug_parse, 0},
	[KIND_PRIORITIES] = {"string", "priorities as GnuTLS writes them, \"NORMAL:-VERS-TLS1.2\"", priorities_parse,
			     NULL, 0},
	[KIND_ACL] = {"acl", "[from] any, an address, ADDRESS/BITS, ADDRESS/MASK or a host", NULL, acl_parse, 0},
	[KIND_SPOOL] = {"string", "a directory or a mailbox URL", parse_spool, NULL, 0},
	[KIND_UIDL_FORMAT] = {NULL, NULL, NULL, parse_uidl_format, 0},
	[KIND_BULLETIN_NEW] = {"word", "all, none, or since \"YYYY-MM-DD\"", NULL, parse_bulletin_new, 0},
	[KIND_NETWORKS] = {"list", "addresses, ADDRESS/BITS or ADDRESS/MASK", NULL, networks_parse, 0},
	[KIND_SERVERS] = {"list", "servers: HOST, HOST:PORT or [IPv6]:PORT", NULL, servers_parse, 0},
	[KIND_FILE] = {"string", "a file that begins with /", NULL, file_parse, 0},
	[KIND_LOCK_FLAGS] = {"string", "letters", NULL, lock_flags_parse, 0},
};

enum err setting_apply(struct setting *s, struct why *why)
{
	const struct kind_row *k = &kinds[s->st->kind];

	if (k->many)
		return k->many(s, why);
	if (!s->values || s->values->next || !s->values->text)
		return fail(why, ERR_PERM, "expected string value");
	return k->one(s, s->values->text, why);
}

/* Defaults are written as values are; those of lists with blanks between. */
bool setting_default(const struct setting *s, struct why *why)
{
	struct value v = {.text = s->st->def};
	struct setting with = *s;

	if (!v.text) {
		if (s->st->kind == KIND_NUMBER)
			*(uint32_t *)s->member = UINT32_MAX; /* what numbers call unset */
		return true;
	}
	with.values = &v;
	if (setting_apply(&with, why) != OK)
		return false;
	if (s->st->kind == KIND_CHAIN)
		((struct conf_list *)s->member)->given = false;
	if (s->st->kind == KIND_NETWORKS)
		((struct conf_acl *)s->member)->given = false;
	if (s->st->kind == KIND_PORT)
		((struct conf_port *)s->member)->given = false;
	return true;
}

const char *kind_word(const struct statement *st)
{
	return kinds[st->kind].word;
}

static void put_words(struct buf *b, const struct words *words)
{
	buf_str(b, "one of ");
	for (const struct word *w = words->word; w->name; w++) {
		buf_str(b, w->name);
		if (w[1].name)
			buf_str(b, w[2].name ? ", " : " and ");
	}
}

static void put_range(struct buf *b, const struct statement *st)
{
	buf_str(b, " from ");
	buf_u64(b, st->min);
	buf_str(b, " to ");
	buf_u64(b, most(st));
}

void kind_expected(const struct statement *st, char *dst, size_t cap)
{
	struct buf b = {.p = dst, .cap = cap - 1};

	switch (st->kind) {
	case KIND_NUMBER:
		buf_str(&b, "a number");
		if (st->unit) {
			buf_str(&b, " of ");
			buf_str(&b, st->unit);
		}
		put_range(&b, st);
		break;
	case KIND_TIME:
		buf_str(&b, "a time as 90 or \"1 hour 30 minutes\",");
		put_range(&b, st);
		buf_str(&b, " seconds");
		break;
	default:
		if (kinds[st->kind].expected)
			buf_str(&b, kinds[st->kind].expected);
		else if (st->words)
			put_words(&b, st->words);
		if (st->kind == KIND_NUMBERED || st->kind == KIND_FACILITY) {
			buf_str(&b, ", or a number");
			put_range(&b, st);
		}
		if (st->kind == KIND_PATH)
			buf_str(&b,
				st->words ? ", or a directory that begins with /" : "a directory that begins with /");
		if (st->kind == KIND_UIDL_FORMAT)
			buf_str(&b, ", behind dovecot a \"PATTERN\"");
	}
	dst[b.len] = '\0';
}
