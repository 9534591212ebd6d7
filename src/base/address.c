/* base/address.c - see address.h */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/slice.h"

struct address address_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	struct address a = {.family = 0};

	if (ss->ss_family == AF_INET) {
		a.family = AF_INET;
		a.port = ntohs(in->sin_port);
		memcpy(a.ip, &in->sin_addr, sizeof in->sin_addr);
	} else if (ss->ss_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		a.family = mapped ? AF_INET : AF_INET6;
		a.port = ntohs(in6->sin6_port);
		memcpy(a.ip, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
	}
	return a;
}

struct address address_here(int fd)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof ss;

	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	return address_of(&ss);
}

const char *address_text(const struct address *a, char text[static ADDRESS_TEXT])
{
	if (a->family == 0 || !inet_ntop(a->family, a->ip, text, ADDRESS_TEXT))
		slice_cstr(SLICE("unix"), text, ADDRESS_TEXT);
	return text;
}

uint64_t address_key(const struct address *a)
{
	uint64_t key = 0;

	if (a->family == AF_INET6)
		for (int i = 0; i < 8; i++)
			key = key << 8 | a->ip[i];
	else if (a->family == AF_INET)
		for (int i = 0; i < 4; i++)
			key = key << 8 | a->ip[i];
	return a->family == 0 ? 0 : key ^ (uint64_t)a->family << 32;
}
