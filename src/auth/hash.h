/* auth/hash.h - hashes of crypt(3), as they stand in a record */
#pragma once
#include "base/slice.h"

/* False for what can never be the hash of a password: empty, "x", locked with '*' or '!', too short, odd octets;
 * and for what schemes.h reads, {SCHEME}TEXT. */
bool hash_is_usable(struct slice hash);

/* Whether `password` has this hash; takes as long as the hash wants. False for every hash that is not usable or that
 * libcrypt does not know, and for a password with a NUL. */
bool hash_same(struct slice password, struct slice hash);
