/* auth/keyed.h - hashes with a key that only processes know which share this memory
 *
 * For tables in shared memory: what stands in an entry, and where, says nothing to who does not have the key. It is made
 * by whoever comes first, and never leaves that memory. */
#pragma once
#include <openssl/types.h>
#include <stdatomic.h>

#include "base/slice.h"
#include "base/why.h"

enum { KEYED_WORDS = 4, KEYED_OCTETS = 32 };

/* Each word of the key is set by whoever comes first, and by nobody else: no process's death can leave half a key. */
struct keyed_secret {
	_Atomic uint64_t word[KEYED_WORDS];
};

/* HMAC-SHA256 with the key in it, copied for each use. NULL: no memory, or libcrypto does not have it. */
enum err keyed_open(EVP_MAC_CTX **mac, struct keyed_secret *secret, struct why *why);

/* Of these fields; none can run into the next one. False: libcrypto failed. */
bool keyed_hash(EVP_MAC_CTX *mac, const struct slice *field, size_t n, uint32_t out[static KEYED_OCTETS / 4]);
