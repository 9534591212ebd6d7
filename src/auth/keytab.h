/* auth/keytab.h - our key in a file of Kerberos keys, for what an operator should hear about it before a client does
 *
 * The library that uses the key says of all that can be wrong here only that there are no credentials. The keys themselves are not of interest,
 * and what was read of them is wiped. */
#pragma once
#include "base/slice.h"
#include "base/why.h"
#include "conf/conf.h"
#include "ipc/catalogue.h"

/* Whose key it must be: SERVICE/HOST@REALM. */
struct keytab_wanted {
	const char *service, *host;
	const char *realm; /* NULL: any */
};

/* Finds such a key among the contents of a file (MIT's format, version 2): AES or Camellia, since with older kinds what a client says could be
 * played again (sasl_gssapi.c). *realm: its own. False, and *is_keytab tells whether it is one at all: there is none. */
bool keytab_find(struct slice octets, const struct keytab_wanted *wanted, char realm[static NAME_MOST + 1],
		 bool *is_keytab);

/* The same in the file `gsasl { keytab }' for our service and `host', which nobody but its owner and group may be able to read. On an error, `why' says
 * what helps. */
enum err keytab_look(const struct conf *cf, const char *host, char realm[static NAME_MOST + 1], struct why *why);

/* Our service's name, as mechanisms know it; and the host's, in room for NAME_MOST octets and a NUL. */
const char *service_name(const struct conf *cf);
void host_name(const struct conf *cf, char out[static NAME_MOST + 1]);
