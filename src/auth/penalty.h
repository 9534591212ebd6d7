/* auth/penalty.h - wrong passwords, counted by client and by user, and how long the next login has to wait for them
 *
 * A table in memory that all auth processes of all configurations share, so that it does not help to come through
 * another one, or to wait for a reload. It has a fixed size; an entry is found by a keyed hash, and where there is no room
 * the one that counts least is given up: a login costs the same however many addresses there are.
 *
 * A failure counts for the address it came from (an IPv6 network of 64 bits counts as one; a Unix socket has none), for
 * the user that was named, whether he exists or not, and for the two together. A password that was wrong there before
 * does not count again: a program with an old password does not shut out its owner. Counts halve every few minutes. A
 * right password takes back what its user failed from its address, and nothing else: who guesses cannot clear his
 * address by an account of his own, and an attacked user does not clear the attacker.
 *
 * The first few failures cost nothing; then logins wait 1, 2, 4 ... seconds before the password is checked. Logins from one
 * address wait one behind the other, so that many connections at once do not help; beyond the longest delay they are
 * refused. Logins of one user from several addresses wait side by side, so that whoever attacks him can make him wait,
 * but never refuse him. Whose password is known to be right does not wait for what others did to his name.
 *
 * Processes write without locks: each step leaves a table that is whole, so the death of one leaves nothing stuck. What two
 * of them do to one entry at the same moment may lose a failure, never invent one. */
#pragma once
#include "auth/keyed.h"
#include "base/address.h"

enum {
	PENALTY_ENTRIES = 65536, /* of 64 octets */
	PENALTY_FREE = 5,        /* failures that cost nothing */
	PENALTY_HALF_S = 300,    /* half of them is forgotten after so long */
	PENALTY_TAGS = 7,        /* wrong passwords that are known again, of each key */
};

struct penalty_rules {
	uint32_t most_s;           /* the longest delay; 0: nothing is counted */
	uint32_t lockout_failures; /* with so many, nobody gets in ... */
	uint32_t lockout_s;        /* ... for so long; 0: never */
};

struct penalty_head;
struct penalty_bucket;

struct penalties {
	struct penalty_head *head; /* NULL: nothing is counted, and nobody waits */
	struct penalty_bucket *buckets;
	size_t nbuckets;
	struct penalty_rules rules;
	EVP_MAC_CTX *mac;
};

/* Octets of shared memory, zeroed at first, for so many entries. */
size_t penalties_octets(size_t entries);

/* memory: penalties_octets(n), aligned to 64; NULL turns it off, as most_s 0 does. */
enum err penalties_open(struct penalties *p, void *memory, size_t octets, const struct penalty_rules *rules,
			struct why *why);
void penalties_close(struct penalties *p);

/* Who would log in. The user as typed: names that differ in case, or in what stands before a domain, count as one. */
struct penalty_client {
	const struct address *address;
	bool exempt; /* this address itself has no penalty: many clients are behind it */
	struct slice user;
};

enum penalty { PENALTY_NONE, PENALTY_LOCKED, PENALTY_FULL };

/* Before anything is looked up: locked out, or too many wait at this address already. Changes nothing. */
enum penalty penalties_look(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms);

/* The first of the two alone. */
bool penalties_locked(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms);

/* Before a password is checked, or the answer told: NONE, and *wait_ms says when; the next one from this address then waits behind.
 * known: the cache says that the password is right. now_ms: of clock_ms. */
enum penalty penalties_take(const struct penalties *p, const struct penalty_client *c, bool known, uint64_t now_ms,
			    uint32_t *wait_ms);

/* Failures that began a time of lock-out; 0: none did. */
struct penalty_news {
	uint32_t address, user;
};

/* password: or whatever tells one attempt from another. */
void penalties_wrong(const struct penalties *p, const struct penalty_client *c, struct slice password, uint64_t now_ms,
		     struct penalty_news *news);
void penalties_right(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms);

/* Failures that count now, and seconds that a lock-out still lasts. */
struct penalty_standing {
	uint32_t failures, locked_s;
};
struct penalty_standings {
	struct penalty_standing address, user;
};
void penalties_stand(const struct penalties *p, const struct penalty_client *c, uint64_t now_ms,
		     struct penalty_standings *out);

/* Forgets what stands against the address (unless exempt) and against the user (unless his name is empty). */
void penalties_clear(const struct penalties *p, const struct penalty_client *c);

/* Since the start, over all reloads. */
enum penalty_stat {
	PENALTY_STAT_FAILURES, /* that counted */
	PENALTY_STAT_REPEATED, /* that did not */
	PENALTY_STAT_DELAYED,  /* logins that waited */
	PENALTY_STAT_REFUSED,  /* too many waited already */
	PENALTY_STAT_LOCKOUTS, /* that began */
	PENALTY_STAT_LOCKED,   /* logins that were refused in one */
	PENALTY_STATS
};
uint64_t penalties_stat(const struct penalties *p, enum penalty_stat s);
