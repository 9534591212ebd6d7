/* front/tls.h - TLS of a connection, and nothing of POP3: whatever knows OpenSSL in this room is behind this page
 *
 * Private keys are in this process for now (in struct tls_server); to have them elsewhere, only what is here changes.
 *
 * A connection reads and writes the socket by itself. What it writes is gathered as records and leaves in as few writes
 * as it takes: when tls_flush is called, or its buffer is full. An idle connection holds no buffer, neither OpenSSL's nor
 * ours. */
#pragma once
#include <openssl/types.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "base/why.h"
#include "conf/conf.h"
#include "front/pool.h"
#include "ipc/catalogue.h"
#include "ipc/tickets.h"

enum {
	RECORD_OCTETS = 16384,   /* that one record takes (RFC 8446, section 5.1) */
	RECORD_OVERHEAD = 256,   /* header, padding and so on: more than any cipher needs */
	RECORDS_OVERHEAD = 4096, /* of all in a buffer */
};

/* What all connections of a server share: made of the certificate that master handed over. */
struct tls_server;
struct tls_server *tls_server_new(int certificate, const struct conf_tls *tls, const struct tickets *tickets,
				  struct why *why);
void tls_server_free(struct tls_server *sv);

/* In the caller's storage; all zeros: no TLS, and all calls but tls_init are harmless. */
struct tls {
	SSL *ssl;
	int fd;                  /* borrowed */
	const char *reason;      /* why it is broken: a text that stays; NULL: it is not */
	struct pool *pool;       /* of buffers for records */
	struct buf out;          /* lent by it while there are records to send; p NULL: there are none */
	size_t out_sent;         /* of it */
	unsigned reads;          /* of the socket in this call */
	bool more;               /* the next tls_read may have something, whatever the socket says */
	bool eof;                /* the client's end of the connection */
	bool done, said_goodbye; /* the handshake; our close_notify */
};

/* Begins with the next octet of the socket. Buffers of the pool hold RECORD_OCTETS + RECORDS_OVERHEAD at least. False: no
 * memory, and *t is all zeros. */
bool tls_init(struct tls *t, struct tls_server *sv, int fd, struct pool *pool);
void tls_done(struct tls *t);
bool tls_is_on(const struct tls *t);

/* Goes on with the handshake as far as it can. TLS_WAITS: for the socket. TLS_BROKEN: t->reason says why; what there is to
 * tell the client is ready to be flushed. */
enum tls_state { TLS_ESTABLISHED, TLS_WAITS, TLS_BROKEN };
enum tls_state tls_handshake(struct tls *t);

/* As recv(2) and send(2): 0 is the end; -1 with EAGAIN, or EPROTO where it is broken, or what the socket said. tls_write takes
 * what it can gather, and sends only when its buffer is full. */
ssize_t tls_read(struct tls *t, char *p, size_t n);
ssize_t tls_write(struct tls *t, const char *p, size_t n);

/* Sends what was gathered, with these flags of send(2), too. False with errno: EAGAIN, the socket takes no more; or the connection is lost. */
bool tls_flush(struct tls *t, int flags);
bool tls_is_flushed(const struct tls *t);

/* Says that nothing follows (close_notify), behind all else; once. To be flushed. */
void tls_goodbye(struct tls *t);

/* What names the connection to its two ends, and to nobody else: channel binding, "tls-exporter" (RFC 9266) with TLS 1.3; with TLS
 * 1.2 "tls-unique" (RFC 5929), where the handshake had an extended master secret (RFC 7627): without it, who stands between could resume
 * a session so that both of his connections have the same name. In `out`; empty: there is none. */
struct slice tls_binding(const struct tls *t, char out[static BINDING_MOST], bool *exporter);

/* Whom the certificate of the client names, in `out`, where it was verified and names one (tls { client-name }). Empty: nobody. It may hold
 * any octets. */
struct slice tls_client_name(const struct tls *t, enum client_name where, char out[static NAME_MOST]);

/* For the log: "TLSv1.3", "TLS_AES_256_GCM_SHA384". Only when established. */
const char *tls_version(const struct tls *t);
const char *tls_cipher(const struct tls *t);
