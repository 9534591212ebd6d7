/* store/fresh.h - which of many hashes are certainly new: a Bloom filter of fixed size
 *
 * Mostly no two messages of a mailbox are alike. Where this says so of all of them, nobody has to go through them once more to find out
 * (store/known.h). Beyond some hundred thousand it begins to be wrong, which costs that and nothing else. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct fresh {
	uint64_t *bits; /* owned; begins as NULL */
};

/* Begins to bring what fresh_is will look at for this hash, so that it need not wait for memory. */
void fresh_soon(const struct fresh *f, uint64_t hash);

/* Notes a hash. True: it was not there. False: it may have been, or there is no memory. */
bool fresh_is(struct fresh *f, uint64_t hash);

void fresh_done(struct fresh *f);
