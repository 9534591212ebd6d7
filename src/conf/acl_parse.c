/* conf/acl_parse.c - entries of access lists: an action, whom it is for, and a text or a program (kinds.h)
 *
 * Names of hosts are looked up here, once: what an entry means does not change while the daemon runs, and no client waits
 * for DNS. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/expand.h"
#include "conf/kinds.h"

enum { HOST_MOST = 255, WORDS_MOST = 64 };

#define LITERAL_DOLLAR "${_:-$}" /* a template that expands to a $ */

static enum err bad_source(const char *reason, struct why *why)
{
	return fail(why, ERR_PERM, "invalid source CIDR: %s", reason);
}

/* "/24" or "/255.255.255.0" behind an address. */
static enum err mask_parse(struct conf_acl_rule *rule, struct slice text, struct why *why)
{
	unsigned octets = rule->family == AF_INET ? 4 : 16;
	char dotted[INET6_ADDRSTRLEN];
	uint32_t bits;

	if (slice_u32(text, &bits)) {
		if (bits > octets * 8)
			return bad_source("the prefix is longer than the address", why);
		for (unsigned i = 0; i < octets; i++)
			rule->mask[i] = (uint8_t)(bits >= (i + 1) * 8 ? 0xFF
						  : bits > i * 8      ? 0xFF00U >> (bits - i * 8)
								      : 0);
		return OK;
	}
	if (!slice_cstr(text, dotted, sizeof dotted) || inet_pton(rule->family, dotted, rule->mask) != 1)
		return bad_source("the mask is neither a number nor an address", why);
	return OK;
}

/* ::ffff:192.0.2.0/120 is 192.0.2.0/24: clients have IPv4 addresses, however they are written (base/address.h). */
static void unmap(struct conf_acl_rule *rule)
{
	static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF},
			     whole[12] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

	if (rule->family != AF_INET6 || memcmp(rule->address, mapped, sizeof mapped) != 0 ||
	    memcmp(rule->mask, whole, sizeof whole) != 0)
		return;
	rule->family = AF_INET;
	memmove(rule->address, rule->address + sizeof mapped, 4);
	memmove(rule->mask, rule->mask + sizeof whole, 4);
	memset(rule->address + 4, 0, sizeof mapped);
	memset(rule->mask + 4, 0, sizeof whole);
}

static enum err rule_add(struct setting *s, struct conf_acl_rule rule, struct why *why)
{
	struct conf_acl *acl = s->base;
	struct conf_acl_rule *more = array_room(s->arena, acl->rule, acl->n, sizeof *more);

	if (!more)
		return fail(why, ERR_TEMP, "not enough memory");
	for (size_t i = 0; i < sizeof rule.mask; i++)
		rule.address[i] &= rule.mask[i];
	unmap(&rule);
	more[acl->n] = rule;
	acl->rule = more;
	acl->n++;
	return OK;
}

/* Short forms as "10.1", which the C library takes for 10.0.0.1 and a reader for a network. */
static bool is_short_address(const char *host)
{
	struct in_addr short_form, whole;

	return inet_aton(host, &short_form) == 1 && inet_pton(AF_INET, host, &whole) != 1;
}

/* A host name stands for all its addresses. */
static enum err rule_add_host(struct setting *s, struct conf_acl_rule *rule, const char *host, struct slice mask,
			      struct why *why)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;

	if (is_short_address(host))
		return bad_source("an IPv4 address has four decimal numbers", why);
	int error = getaddrinfo(host, NULL, &hints, &found);
	enum err err = error ? bad_source(gai_strerror(error), why) : OK;

	for (const struct addrinfo *i = error ? NULL : found; i && err == OK; i = i->ai_next) {
		bool v4 = i->ai_family == AF_INET;

		if (!v4 && i->ai_family != AF_INET6)
			continue;
		rule->family = i->ai_family;
		memset(rule->address, 0, sizeof rule->address);
		memset(rule->mask, 0, sizeof rule->mask);
		memset(rule->mask, 0xFF, v4 ? 4 : sizeof rule->mask);
		if (v4)
			memcpy(rule->address, &((struct sockaddr_in *)i->ai_addr)->sin_addr, 4);
		else
			memcpy(rule->address, &((struct sockaddr_in6 *)i->ai_addr)->sin6_addr, 16);
		if (mask.n > 0)
			err = mask_parse(rule, mask, why);
		if (err == OK)
			err = rule_add(s, *rule, why);
	}
	if (!error)
		freeaddrinfo(found);
	return err;
}

/* What follows the address: one text of all, with blanks between. NULL in *out: nothing follows. */
static enum err join(struct setting *s, const struct value *v, const char **out, struct why *why)
{
	size_t n = 0;

	*out = NULL;
	for (const struct value *i = v; i; i = i->next) {
		if (!i->text)
			return fail(why, ERR_PERM, "expected string value");
		n += strlen(i->text) + 1;
	}
	if (!v)
		return OK;
	char *text = arena_zero(s->arena, n), *to = text;

	if (!text)
		return fail(why, ERR_TEMP, "not enough memory");
	for (; v; v = v->next) {
		to = stpcpy(to, v->text);
		if (v->next)
			*to++ = ' ';
	}
	*out = text;
	return expand_check(slice_str(text), false, why);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Takes what text begins with, without quotes, and says how many octets that was. What stands between ${ and } is never
 * divided, and a variable is one within either kind of quotes: so it is with Mailutils. */
static size_t piece_take(struct slice text, char *quote, struct buf *out)
{
	char c = text.p[0];
	size_t variable = expand_octets(text);

	if (variable > 0) {
		buf_put(out, (struct slice){text.p, variable});
		return variable;
	}
	if (c == '\\' && *quote != '\'' && text.n > 1) {
		buf_str(out, text.p[1] == '$' ? LITERAL_DOLLAR : (char[]){text.p[1], '\0'});
		return 2;
	}
	if (c == *quote)
		*quote = '\0';
	else if (!*quote && (c == '"' || c == '\''))
		*quote = c;
	else
		buf_char(out, c);
	return 1;
}

/* Takes a word off the front of `rest`, and puts it into `out` with a NUL. */
static enum err word_unquote(struct slice *rest, struct buf *out, struct why *why)
{
	char quote = '\0';

	while (rest->n > 0 && (quote || !is_blank(rest->p[0]))) {
		size_t n = piece_take(*rest, &quote, out);

		*rest = (struct slice){rest->p + n, rest->n - n};
	}
	buf_char(out, '\0');
	return quote ? fail(why, ERR_PERM, "a quote %c that is not closed", quote) : OK;
}

/* The words of a program, as a shell would divide them: before variables are expanded, so that none becomes two. */
static enum err words_split(struct setting *s, struct conf_acl_rule *rule, struct why *why)
{
	struct slice rest = slice_str(rule->text);
	size_t cap = rest.n * sizeof LITERAL_DOLLAR + 1;
	struct buf out = {.p = arena_zero(s->arena, cap), .cap = cap};
	enum err err = OK;

	rule->word = arena_zero(s->arena, WORDS_MOST * sizeof *rule->word);
	if (!out.p || !rule->word)
		return fail(why, ERR_TEMP, "not enough memory");
	for (;;) {
		while (rest.n > 0 && is_blank(rest.p[0]))
			rest = (struct slice){rest.p + 1, rest.n - 1};
		if (rest.n == 0)
			return rule->words > 0 ? OK : fail(why, ERR_PERM, "not enough arguments");
		if (rule->words == WORDS_MOST)
			return fail(why, ERR_PERM, "more than %d words", WORDS_MOST);
		const char *word = out.p + out.len;

		if ((err = word_unquote(&rest, &out, why)) != OK ||
		    (err = expand_check(slice_str(word), false, why)) != OK)
			return err;
		rule->word[rule->words++] = word;
	}
}

/* What can be told now about the program that the entry names. Whether the user that it runs as may execute it is told when it is
 * run. */
static enum err program_check(const char *path, struct why *why)
{
	struct stat st;

	if (path[0] != '/')
		return fail(why, ERR_PERM, "program %.64s: give its absolute path", path);
	if (strchr(path, '$'))
		return OK; /* which it is, the client's address says */
	if (stat(path, &st) < 0)
		return fail_errno(why, ERR_PERM, "program %.200s", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return fail(why, ERR_PERM,
			    "program %.200s: not a file that can be executed; make it one with chmod 755", path);
	return OK;
}

static const struct {
	const char *keyword;
	enum acl_action action;
	bool may_have_text, is_program;
} actions[] = {
	{"allow", ACL_ALLOW, false, false}, {"deny", ACL_DENY, false, false},   {"log", ACL_LOG, true, false},
	{"exec", ACL_EXEC, true, true},     {"ifexec", ACL_IFEXEC, true, true},
};

/* What stands behind the address. */
static enum err text_parse(struct setting *s, struct conf_acl_rule *rule, const struct value *v, size_t action,
			   struct why *why)
{
	enum err err = join(s, v, &rule->text, why);

	if (err != OK)
		return err;
	if (rule->text && !actions[action].may_have_text)
		return fail(why, ERR_PERM, "junk after IP address");
	if (!actions[action].is_program)
		return OK;
	if (!rule->text)
		return fail(why, ERR_PERM, "not enough arguments");
	err = words_split(s, rule, why);
	return err == OK ? program_check(rule->word[0], why) : err;
}

/* Where it stands, and which one of its list it is. */
static enum err place_note(struct setting *s, struct conf_acl_rule *rule, struct why *why)
{
	const struct conf_acl *acl = s->base;

	rule->number = acl->n > 0 ? acl->rule[acl->n - 1].number + 1 : 1;
	if (!s->at) /* a default */
		return OK;
	rule->line = s->at->from.line;
	if (s->at->file)
		rule->file = arena_str(s->arena, slice_str(s->at->file));
	return rule->file || !s->at->file ? OK : fail(why, ERR_TEMP, "not enough memory");
}

/* ADDRESS[/MASK], which the rule is for. */
static enum err source_parse(struct setting *s, struct conf_acl_rule *rule, struct slice text, struct why *why)
{
	char host[HOST_MOST + 1];
	struct slice mask = text;
	struct slice name = slice_take(&mask, '/');

	if (!slice_cstr(name, host, sizeof host) || name.n == 0)
		return bad_source("Name or service not known", why);
	if (mask.n == 0 && name.n < text.n)
		return bad_source("the mask is neither a number nor an address", why);
	return rule_add_host(s, rule, host, mask, why);
}

static enum err network_add(struct setting *s, struct slice text, struct why *why)
{
	struct conf_acl_rule rule = {.action = ACL_ALLOW};
	struct setting list = *s;

	list.base = s->member;
	enum err err = place_note(&list, &rule, why);

	return err == OK ? source_parse(&list, &rule, text, why) : err;
}

/* Blanks separate too: defaults in the table are written so. `none' adds nothing. */
static enum err networks_add(struct setting *s, struct slice text, struct why *why)
{
	enum err err = OK;
	struct slice word = word_take(&text);

	if (slice_eq(word, SLICE("none")) && text.n == 0)
		return OK;
	do
		err = network_add(s, word, why);
	while (err == OK && (word = word_take(&text)).n > 0);
	return err;
}

/* The first statement that is given stands instead of the default; others append. */
enum err networks_parse(struct setting *s, struct why *why)
{
	struct conf_acl *list = s->member, before = *list;

	if (!list->given)
		list->n = 0;
	list->given = true;
	enum err err = each_text(s, '\0', networks_add, why);

	if (err != OK)
		*list = before;
	return err;
}

/* [from] ADDRESS [TEXT...] */
enum err acl_parse(struct setting *s, struct why *why)
{
	struct conf_acl_rule rule = {0};
	const struct value *v = s->values;
	size_t i = 0;

	while (strcmp(actions[i].keyword, s->st->keyword) != 0)
		i++;
	rule.action = actions[i].action;
	if (v->text && strcmp(v->text, "from") == 0)
		v = v->next;
	if (!v)
		return fail(why, ERR_PERM, "not enough arguments");
	if (!v->text)
		return fail(why, ERR_PERM, "unexpected value: %.64s", v->item->text ? v->item->text : "(");
	enum err err = place_note(s, &rule, why);

	if (err == OK)
		err = text_parse(s, &rule, v->next, i, why);
	if (err != OK)
		return err;
	if (strcmp(v->text, "any") == 0)
		return rule_add(s, rule, why);
	return source_parse(s, &rule, slice_str(v->text), why);
}
