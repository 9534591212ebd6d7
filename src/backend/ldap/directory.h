/* backend/ldap/directory.h - the servers of a directory, and connections to one of them
 *
 * A connection is kept until it is lost, or an answer does not come over it, and made anew then. Several servers are tried in turn, each with its share of the time
 * that is left; the one that answered is asked first from then on. One that let us wait in vain is left alone for a while,
 * longer each time. No password goes out in the clear where TLS is asked for: without it there is no connection. */
#pragma once
#include <ldap.h>

#include "base/why.h"
#include "conf/conf.h"

enum { SERVERS_MOST = 32, RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 8000 };

struct server {
	char *url;
	unsigned vain;          /* how often in a row nothing came from it */
	uint64_t not_before_ms; /* of clock_ms() */
};

/* One connection; what is asked over it is asked as the same somebody. */
struct link {
	LDAP *ld;       /* NULL: there is none */
	int fd;         /* in it */
	bool as_reader; /* bound as `binddn' when it is made */
};

struct directory {
	const struct conf_ldap *conf;
	struct secret passwd;
	struct server server[SERVERS_MOST];
	size_t n, current;
	bool by_dns; /* some of them were found by SRV records, and are looked for again when none answers */
};

/* Checks what can be checked without a connection. `cf' outlives the directory. */
enum err directory_open(struct directory *d, const struct conf_ldap *cf, struct why *why);
void directory_close(struct directory *d);
void link_drop(struct link *l);

/* What is asked: sends it, and waits until the deadline for the answer. An LDAP result code: LDAP_TIMEOUT, LDAP_SERVER_DOWN and
 * the like mean that this server has not answered. */
typedef int question(LDAP *ld, void *arg, uint64_t deadline_ms);

/* Asks the first server that answers. OK: the question's last code is in *code; ERR_TEMP: none answered, ERR_PERM: none lets us
 * in; the sentence says why. */
enum err directory_ask(struct directory *d, struct link *l, question *q, void *arg, uint64_t deadline_ms, int *code,
		       struct why *why);

/* Waits for the whole answer to a message, LDAP_SUCCESS: it is in *res, to be freed by ldap_msgfree. */
int answer_wait(LDAP *ld, int msgid, uint64_t deadline_ms, LDAPMessage **res);

/* Binds; the password is not empty (RFC 4513, section 5.1.2: a server may answer "success" to that, for nothing). */
int simple_bind(LDAP *ld, const char *dn, struct slice password, uint64_t deadline_ms);

/* "Can't contact LDAP server (-1)", and what the server or the library says besides. */
const char *ldap_says(LDAP *ld, int code, char *dst, size_t cap);
