/* state/reservations.h - logins that were let in and whose maildrop is not open yet
 *
 * They lie in memory that outlives this process: the next one finds what was answered, so that a question that is asked again gets the
 * same answer, and what is settled later is settled. A row is found by the number that its login carries, of which half cannot be
 * guessed. There are so many rows; when all are taken, the oldest counts as confirmed.
 *
 * Nothing here knows a data base: what has to be undone, the caller undoes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "ipc/catalogue.h"

enum { RESERVATIONS_MOST = 4096, RESERVATION_SECRETS = 64 };

struct reservation {
	uint64_t number; /* 0: the row is free. Written last, and first when it ends */
	uint64_t sid;
	uint64_t doubt_ms;   /* clock_ms: since when nobody may be left to confirm it; 0: somebody is */
	uint64_t at, before; /* seconds since 1970: what was recorded, and what stood there before */
	uint32_t auth;       /* serial of the process that asked */
	bool recorded;       /* `at' */
	bool had_before;     /* `before' */
	uint16_t key_len;
	char key[KEY_MOST];
};

struct reservations {
	struct reservation *row;
	uint32_t next;
	uint32_t inherited;                            /* rows of the process before us, perhaps */
	uint64_t since_ms;                             /* clock_ms: opened */
	uint32_t begun;                                /* since confirmed ones were taken */
	uint32_t secret[RESERVATION_SECRETS], secrets; /* random numbers, of which so many are not used yet */
};

/* Octets of shared memory, zeroed. */
size_t reservations_octets(void);

void reservations_open(struct reservations *rs, void *shared);

/* A row that has no number yet: the caller fills it in, and gives it one. key: at most KEY_MOST octets. */
struct reservation *reservations_new(struct reservations *rs, struct slice key);

/* It is there from here on, also for the process behind us. False: no random number was to be had, and it is not. */
bool reservation_begin(struct reservations *rs, struct reservation *r);
void reservation_end(struct reservation *r);

struct slice reservation_key(const struct reservation *r);

/* NULL: there is none, it was settled. */
struct reservation *reservations_find(const struct reservations *rs, uint64_t number);

/* Ends those whose numbers are in the pipe that stores confirm by, which does not block. Octets that are no number of ours are passed over. */
void reservations_take_confirmed(struct reservations *rs, int fd);

/* What the process before us has made for this login; NULL: nothing. */
struct reservation *reservations_inherited(struct reservations *rs, uint64_t sid, struct slice key);

/* This auth has ended, and what it had not passed on with it. */
void reservations_doubt(const struct reservations *rs, uint32_t auth, uint64_t now_ms);

/* The next one behind `r' (NULL: the first) that has been in doubt since `since_ms' or longer; NULL: there is none. */
struct reservation *reservations_doubtful(const struct reservations *rs, const struct reservation *r,
					  uint64_t since_ms);
