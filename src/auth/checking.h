/* auth/checking.h - who checks the password of a record that was found, and against what */
#pragma once
#include "auth/chain.h"

enum { HASH_MOST = 512 }; /* octets of a hash that is worth computing; libcrypt's are shorter */

/* For CHECK_NONE, `why' says why not: nobody may, there is nothing to compare with, or the record is locked. The slice points into the
 * record, the module or `marker'. */
struct checking {
	const struct auth_module *by;
	enum check how;
	/* what a hash process compares with; CHECK_ASK: a text that nothing stored can be, the key for the cache */
	struct slice setting;
	char marker[SOURCE_MOST];
};

void checking_find(const struct chain *chain, const struct record *r, struct checking *c, struct why *why);
