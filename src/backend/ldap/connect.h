/* backend/ldap/connect.h - a new connection, with TLS where it is wanted
 *
 * All that libldap takes from elsewhere (ldap.conf, ldaprc, variables of the environment) is left out: what is said here is all
 * that counts. */
#pragma once
#include <ldap.h>

#include "base/why.h"
#include "conf/conf.h"

/* Once in a process, before any other call: how the library behaves. */
enum err ldap_settle(const struct conf_ldap *cf, struct why *why);

/* On OK *ld is the caller's, and *fd the socket in it. Otherwise ERR_TEMP, with LDAP's code. */
enum err ldap_connected(const struct conf_ldap *cf, const char *url, uint64_t deadline_ms, LDAP **ld, int *fd,
			int *code, struct why *why);
