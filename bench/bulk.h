/* bench/bulk.h - a server whose every message is the same file: what sending large messages costs when nothing else is done
 *
 * A process for each connection, which blocks. The file holds the message as it is on the wire, with the "." at its end. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct bulk {
	struct sockaddr_storage addr, tls_addr; /* the second one for TLS from the first octet */
	socklen_t len, tls_len;                 /* 0: none */
	const char *certificate, *key;          /* files in PEM, where there is TLS */
	const char *file;
	uint32_t messages;
	bool copies; /* pread and write, else sendfile; over TLS always */
};

/* Never returns but for an error, which it has printed. */
int bulk_serve(const struct bulk *b);
