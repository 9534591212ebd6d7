/* auth/penalty_entry.h - the table of penalty.h: what is written of one key, and where it is found
 *
 * A key, which is never 0, can be in the entries of one bucket. Nothing here locks: see penalty.h. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/penalty.h"

enum {
	PENALTY_WAYS = 4, /* entries where a key can be */
	PENALTY_LINE = 64,
	PENALTY_ONE = 16, /* failures are counted in sixteenths, so that they can halve */
};

/* Each word but the tags goes in one write and holds 16 bits of the key it was written for. So what is written late, when
 * the entry has become somebody else's, does not count for him. */
struct penalty_entry {
	_Atomic uint64_t key;    /* 0: free */
	_Atomic uint64_t state;  /* 32 bits: when, in seconds; 16: how many sixteenths; 16 of the key */
	_Atomic uint64_t next;   /* 48 bits: when the last that waits may go on, in ms; 16 of the key */
	_Atomic uint64_t locked; /* 48 bits: until when, in ms; 16 of the key */
	_Atomic uint32_t at;     /* tags so far */
	_Atomic uint32_t tag[PENALTY_TAGS];
};

struct penalty_bucket {
	struct penalty_entry entry[PENALTY_WAYS];
};

_Static_assert(sizeof(struct penalty_entry) == PENALTY_LINE, "an entry is a cache line");

/* NULL: there is none of this key, or key is 0. */
struct penalty_entry *entry_find(const struct penalties *p, uint64_t key);

/* Made if it is not there; the one that counts least goes. */
struct penalty_entry *entry_claim(const struct penalties *p, uint64_t key, uint64_t now_ms);

/* Sixteenths that are left by now; e may be NULL. */
uint32_t entry_count(const struct penalty_entry *e, uint64_t key, uint64_t now_ms);

/* Adds so many; how many it then is. */
uint32_t entry_change(struct penalty_entry *e, uint64_t key, int64_t by, uint64_t now_ms);

/* Makes it none, in one step, so that no two take them; how many it was. */
uint32_t entry_take(struct penalty_entry *e, uint64_t key, uint64_t now_ms);

/* Milliseconds that a lock-out still lasts; e may be NULL. */
uint64_t entry_locked(const struct penalty_entry *e, uint64_t key, uint64_t now_ms);

/* True: this password was wrong there before. */
bool entry_tag(struct penalty_entry *e, uint32_t tag);

/* The time in a word, next or locked; 0 where it is another key's. And a word with a time. */
uint64_t entry_time(uint64_t word, uint64_t key);
uint64_t entry_word(uint64_t ms, uint64_t key);
