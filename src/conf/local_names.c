/* conf/local_names.c - the names that name servers have for our own addresses (virtdomain { reverse-dns yes; })
 *
 * Clients connect to one of a few addresses, so all of them are looked up when the configuration is read: no login ever waits for a name server. */
#include <ctype.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/kinds.h"

enum { ADDRESSES_MOST = 64 };

static bool is_known(const struct conf *cf, const struct address *a)
{
	for (size_t i = 0; i < cf->nlocal_names; i++)
		if (cf->local_names[i].address.family == a->family &&
		    memcmp(cf->local_names[i].address.ip, a->ip, sizeof a->ip) == 0)
			return true;
	return false;
}

/* False: no memory. */
static bool add(struct conf *cf, const struct sockaddr *sa, socklen_t octets)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	char name[NI_MAXHOST];

	memcpy(&ss, sa, octets);
	struct address a = address_of(&ss);

	if (a.family == 0 || cf->nlocal_names == ADDRESSES_MOST || is_known(cf, &a) ||
	    getnameinfo(sa, octets, name, sizeof name, NULL, 0, NI_NAMEREQD) != 0)
		return true;
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	cf->local_names[cf->nlocal_names].address = a;
	cf->local_names[cf->nlocal_names].name = arena_str(cf->arena, slice_str(name));
	return cf->local_names[cf->nlocal_names++].name;
}

static bool add_interfaces(struct conf *cf, int family)
{
	struct ifaddrs *all;
	bool done = true;

	if (getifaddrs(&all) < 0)
		return true;
	for (const struct ifaddrs *i = all; i && done; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == family)
			done = add(cf, i->ifa_addr,
				   family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	freeifaddrs(all);
	return done;
}

static bool add_server(struct conf *cf, const struct conf_server *sv)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&sv->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sv->addr;
	int family = sv->addr.ss_family;

	if (family != AF_INET && family != AF_INET6)
		return true;
	bool any = family == AF_INET ? in->sin_addr.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);

	return any ? add_interfaces(cf, family) : add(cf, (const struct sockaddr *)&sv->addr, sv->addr_len);
}

bool local_names_find(struct conf *cf)
{
	struct sockaddr_storage ss;
	socklen_t octets = sizeof ss;
	bool done = true;

	if (!cf->virtdomain_reverse)
		return true;
	cf->local_names = arena_zero(cf->arena, ADDRESSES_MOST * sizeof *cf->local_names);
	if (!cf->local_names)
		return false;
	if (cf->mode == MODE_INETD)
		return getsockname(STDIN_FILENO, (struct sockaddr *)&ss, &octets) < 0 ||
		       add(cf, (struct sockaddr *)&ss, octets);
	for (size_t i = 0; i < cf->nservers && done; i++)
		done = add_server(cf, &cf->servers[i]);
	return done;
}
