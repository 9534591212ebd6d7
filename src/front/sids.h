/* front/sids.h - the numbers of logins, and the sessions that have one
 *
 * A login has an id that is never used again: a counter, encrypted, so that a store worker that was taken over by the
 * owner of its mail cannot answer somebody else's login; one that names an id that was never given loses its channel, so
 * nobody guesses twice. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct sids {
	struct session **bucket; /* sessions by their sid */
	size_t buckets, used;
	uint32_t serial, counter, key[4];
	bool all_given; /* the counter has come round */
};

/* `serial` is this front's. False: no memory. */
bool sids_init(struct sids *p, uint32_t serial, const uint32_t key[4]);

/* Gives the session a number. After 2^32 logins they come again: those in use are skipped, and no other process remembers
 * the old ones. */
void sids_give(struct sids *p, struct session *s);

/* The session has none any more. */
void sids_take(struct sids *p, struct session *s);

/* NULL: nobody has it now. */
struct session *sids_find(const struct sids *p, uint64_t sid);

/* A login had this number, at some time: whoever names another one guesses. */
bool sids_was_given(const struct sids *p, uint64_t sid);

/* No session may be left. */
void sids_done(struct sids *p);
