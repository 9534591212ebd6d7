/* conf/address.c - addresses: of servers to listen at, and of clients in access lists (kinds.h) */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#include "conf/expand.h"
#include "conf/kinds.h"

enum { HOST_MOST = 255 };

static enum err cannot_parse(const char *label, const char *reason, struct why *why)
{
	return fail(why, ERR_PERM, "cannot parse URL `%.100s': %s", label, reason);
}

static enum err cannot_create(const char *label, const char *reason, struct why *why)
{
	return fail(why, ERR_PERM, "cannot create sockaddr for URL `%.100s': %s", label, reason);
}

static enum err unix_address(struct conf_server *sv, struct slice path, struct why *why)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&sv->addr;

	if (path.n == 0 || path.p[0] != '/' || !slice_cstr(path, un->sun_path, sizeof un->sun_path))
		return cannot_parse(sv->label, "not a path that begins with /, of less than 108 octets", why);
	un->sun_family = AF_UNIX;
	sv->addr_len = sizeof *un;
	return OK;
}

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
	if (addr->ss_family == AF_INET)
		((struct sockaddr_in *)addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
}

/* Host names may have several addresses: the first counts. */
static enum err resolve(struct conf_server *sv, int family, int flags, const char *host, struct report *report,
			const struct range *at, struct why *why)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found;
	int error = getaddrinfo(host, NULL, &hints, &found);

	if (error)
		return cannot_create(sv->label, gai_strerror(error), why);
	if (found->ai_next)
		report_warning(report, at, "%s resolves to several addresses, only the first is used", host);
	memcpy(&sv->addr, found->ai_addr, found->ai_addrlen);
	sv->addr_len = found->ai_addrlen;
	freeaddrinfo(found);
	return OK;
}

/* Takes the host off the front of `rest`: [IPv6], or all up to the only colon. False: neither. */
static bool take_host(struct slice *rest, struct slice *host, bool *bracketed)
{
	*bracketed = slice_starts(*rest, SLICE("["));
	if (*bracketed) {
		size_t close = slice_find(*rest, ']');

		if (close == rest->n)
			return false;
		*host = (struct slice){rest->p + 1, close - 1};
		*rest = (struct slice){rest->p + close + 1, rest->n - close - 1};
		return rest->n == 0 || rest->p[0] == ':';
	}
	size_t colon = slice_find(*rest, ':');

	*host = (struct slice){rest->p, colon};
	*rest = (struct slice){rest->p + colon, rest->n - colon};
	return rest->n == 0 || slice_find((struct slice){rest->p + 1, rest->n - 1}, ':') == rest->n - 1;
}

static enum err inet_address(struct conf_server *sv, struct slice rest, int family, uint16_t port,
			     struct report *report, const struct range *at, struct why *why)
{
	char name[HOST_MOST + 1];
	struct slice host;
	bool bracketed;
	enum err err = OK;

	if (!take_host(&rest, &host, &bracketed))
		return cannot_parse(sv->label, "a colon too many, or a bracket that is not closed", why);
	bool any = host.n == 0 || slice_eq(host, SLICE("*"));

	if (bracketed && (family == AF_INET || any))
		return cannot_parse(sv->label, "no IPv6 address in the brackets", why);
	if (any)
		host = family == AF_INET6 ? SLICE("::") : SLICE("0.0.0.0");
	if (!slice_cstr(host, name, sizeof name))
		return cannot_parse(sv->label, "the name of the host is too long", why);
	if (rest.n > 0)
		err = port_parse((struct slice){rest.p + 1, rest.n - 1}, &port, NULL);
	if (err != OK)
		return cannot_parse(sv->label,
				    err == ERR_TEMP ? "Numerical result out of range"
						    : "Invalid port or service specification",
				    why);
	if (err == OK)
		err = resolve(sv, bracketed ? AF_INET6 : family, bracketed || any ? AI_NUMERICHOST : 0, name, report,
			      at, why);
	if (err == OK)
		set_port(&sv->addr, port);
	return err;
}

enum err server_address(struct conf_server *sv, uint16_t port, struct report *report, const struct range *at,
			struct why *why)
{
	static const struct {
		const char *prefix;
		int family;
	} schemes[] = {{"inet://", AF_INET}, {"inet6://", AF_INET6}, {"unix://", AF_UNIX}};
	struct slice text = slice_str(sv->label), rest = text;

	text = slice_take(&rest, ';'); /* parameters are nothing to us */
	if (text.n == 0)
		return cannot_parse(sv->label, "Parse error", why);
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		struct slice prefix = slice_str(schemes[i].prefix);

		if (!slice_starts(text, prefix))
			continue;
		text = (struct slice){text.p + prefix.n, text.n - prefix.n};
		if (schemes[i].family == AF_UNIX)
			return unix_address(sv, text, why);
		return inet_address(sv, text, schemes[i].family, port, report, at, why);
	}
	if (text.p[0] == '/' || memmem(text.p, text.n, "://", 3))
		return cannot_create(sv->label, "Address family not supported", why);
	return inet_address(sv, text, AF_UNSPEC, port, report, at, why);
}

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

static enum err rule_add(struct setting *s, const struct conf_acl_rule *rule, struct why *why)
{
	struct conf_acl *acl = s->base;
	struct conf_acl_rule *more = array_room(s->arena, acl->rule, acl->n, sizeof *more);

	if (!more)
		return fail(why, ERR_TEMP, "not enough memory");
	more[acl->n] = *rule;
	for (size_t i = 0; i < sizeof rule->mask; i++)
		more[acl->n].address[i] &= rule->mask[i];
	acl->rule = more;
	acl->n++;
	return OK;
}

/* A host name stands for all its addresses. */
static enum err rule_add_host(struct setting *s, struct conf_acl_rule *rule, const char *host, struct slice mask,
			      struct why *why)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
	int error = getaddrinfo(host, NULL, &hints, &found);
	enum err err = error ? bad_source(gai_strerror(error), why) : OK;

	for (const struct addrinfo *i = error ? NULL : found; i && err == OK; i = i->ai_next) {
		bool v4 = i->ai_family == AF_INET;

		if (!v4 && i->ai_family != AF_INET6)
			continue;
		rule->family = i->ai_family;
		memset(rule->address, 0, sizeof rule->address);
		memset(rule->mask, 0xFF, sizeof rule->mask);
		if (v4)
			memcpy(rule->address, &((struct sockaddr_in *)i->ai_addr)->sin_addr, 4);
		else
			memcpy(rule->address, &((struct sockaddr_in6 *)i->ai_addr)->sin6_addr, 16);
		if (mask.n > 0)
			err = mask_parse(rule, mask, why);
		if (err == OK)
			err = rule_add(s, rule, why);
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
	return expand_check(slice_str(text), why);
}

static const struct {
	const char *keyword;
	enum acl_action action;
	bool text_allowed, text_wanted;
} actions[] = {
	{"allow", ACL_ALLOW, false, false}, {"deny", ACL_DENY, false, false},   {"log", ACL_LOG, true, false},
	{"exec", ACL_EXEC, true, true},     {"ifexec", ACL_IFEXEC, true, true},
};

/* [from] ADDRESS [TEXT...] */
enum err acl_parse(struct setting *s, struct why *why)
{
	struct conf_acl_rule rule = {.file = s->at->file, .line = s->at->from.line};
	const struct value *v = s->values;
	char host[HOST_MOST + 1];
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
	enum err err = join(s, v->next, &rule.text, why);

	if (err != OK)
		return err;
	if (rule.text && !actions[i].text_allowed)
		return fail(why, ERR_PERM, "junk after IP address");
	if (!rule.text && actions[i].text_wanted)
		return fail(why, ERR_PERM, "not enough arguments");
	if (strcmp(v->text, "any") == 0)
		return rule_add(s, &rule, why);
	struct slice mask = slice_str(v->text);
	struct slice name = slice_take(&mask, '/');

	if (!slice_cstr(name, host, sizeof host) || name.n == 0)
		return bad_source("Name or service not known", why);
	if (mask.n == 0 && name.n < strlen(v->text))
		return bad_source("the mask is neither a number nor an address", why);
	return rule_add_host(s, &rule, host, mask, why);
}
