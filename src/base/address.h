/* base/address.h - the address of a client, as it is counted, compared and logged
 *
 * IPv4 clients of a socket that takes both families (one that was handed to us may) come as ::ffff:192.0.2.1. They are IPv4
 * addresses here, so that a rule or a limit for 192.0.2.1 finds them whatever socket they came through. */
#pragma once
#include <netinet/in.h>
#include <stdint.h>

/* family 0: a Unix socket, or no socket at all. */
struct address {
	uint16_t family; /* AF_INET, AF_INET6, 0 */
	uint16_t port;
	uint32_t pad;
	uint8_t ip[16]; /* an IPv4 address in its first four octets */
};

struct sockaddr_storage;
struct address address_of(const struct sockaddr_storage *ss);

/* Our end of a connection, by getsockname(2); family 0 where that says nothing. */
struct address address_here(int fd);

/* "192.0.2.1", "2001:db8::1", "unix". */
enum { ADDRESS_TEXT = INET6_ADDRSTRLEN };
const char *address_text(const struct address *a, char text[static ADDRESS_TEXT]);

/* A number for whom a limit per address counts: an IPv4 address, or an IPv6 network of 64 bits, since that is what one customer is
 * given. 0: no address. */
uint64_t address_key(const struct address *a);
