/* bench/bare.h - a server that answers the n-th line of a connection with the n-th reply of a poll of 20 messages, whatever it
 * says: what the same exchange costs without a server; and over TLS, what the library and its handshakes cost alone */
#pragma once
#include <sys/socket.h>

struct bare {
	struct sockaddr_storage addr, tls_addr; /* the second one for TLS from the first octet */
	socklen_t len, tls_len;                 /* 0: none */
	const char *certificate, *key;          /* files in PEM, where there is TLS */
};

/* Never returns but for an error, which it has printed. */
int bare_serve(const struct bare *b);
