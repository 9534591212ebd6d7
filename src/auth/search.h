/* auth/search.h - who is this user? The chain of authorization, with what waits for other processes in between
 *
 * Modules of this process answer at once: search_try comes to the end where no other is asked, and nothing is allocated. Else
 * search_start goes on from there, with copies of what it needs. */
#pragma once
#include "auth/chain.h"
#include "auth/pools.h"

struct searches {
	const struct conf *conf;
	struct chain chain;
	struct pools pools;
};

struct search_ask {
	struct slice login; /* clean (credential_is_clean), at most NAME_MOST octets */
	struct address client, local;
	uint64_t log_id;
	bool by_uid;       /* the login is a number */
	bool wants_secret; /* in any case; else where the module that has the user also checks passwords */
};

/* r->source: who has the user; NULL: nobody, and err (never OK then) and why say more. */
struct search_end {
	struct record *r;
	enum err err;
	struct why *why;
};

/* True: *end says what was found, in r and w, which the caller lends. False: others must be asked: search_start with the same walk. */
bool search_try(struct searches *s, const struct search_ask *ask, struct walk *w, struct record *r,
		struct search_end *end);

/* done is called once, perhaps before it returns; what it is given lives until it returns. w NULL: from the beginning. False: no
 * memory, and it is not called. */
bool search_start(struct searches *s, const struct search_ask *ask, const struct walk *w,
		  void (*done)(void *arg, const struct search_end *end), void *arg);
