/* access/wrappers.h - what hosts_access(5) says of a client: TCP wrappers
 *
 * The library waits for name servers, for identd and for commands of its tables, and an option may end or replace the process that asks
 * (`twist'). So it is called in a process of its own for each client, behind the walls of programs of access lists, and what it says is told through a
 * page that nobody writes who took that process's place.
 *
 * It is loaded by this role alone, when it is asked for: what it is linked with (NIS, and with that Kerberos) is as large as all else together. */
#pragma once
#include <stdbool.h>

#include "base/address.h"
#include "base/why.h"
#include "conf/conf.h"

/* Loads the library, for good, where the configuration asks for it. */
enum err wrappers_load(const struct conf *cf, struct why *why);

/* In such a process, whose standard error is logged. `rule`: of cf->tcp_wrappers.list; `here`: our end of the connection, family 0 where it is
 * not known. A table that is not there is an empty one; one that cannot be read denies. */
bool wrappers_allow(const struct conf_acl_rule *rule, const struct address *client, const struct address *here);
