/* conf/address.c - addresses of servers to listen at (kinds.h) */
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

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
