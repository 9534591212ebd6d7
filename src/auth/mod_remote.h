/* auth/mod_remote.h - modules in other processes: from what was answered to a record */
#pragma once
#include "auth/pools.h"

/* The answer to a look-up of this login: what it leaves out is filled in (the name, the mailbox), what makes no sense is ERR_PERM. Slices
 * of the record point into the answer. */
enum err remote_record(const struct auth_module *m, const struct conf *cf, struct slice login, const struct looked *l,
		       struct record *r, struct why *why);
