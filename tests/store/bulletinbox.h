/* tests/store/bulletinbox.h - maildrops of each format, a source of bulletins, and sessions that bring them */
#pragma once
#include "box.h"
#include "store/bulletin.h"

/* Messages by number: the user's own, bulletins, and one that comes later. */
enum { OWN = 2, BULLETINS = 3, LATER = OWN + BULLETINS, ALL };

struct bulletin_format {
	const char *about;
	void (*make)(struct box *b);
	void (*put)(const struct box *b, int n);
	void (*prepare)(const struct box *b);
	const char *dirs[6]; /* what a session changes files in, below b->top */
};
extern const struct bulletin_format bulletin_formats[];
extern const size_t bulletin_formats_n;

/* A maildrop with the user's own mail, and a source. */
void bulletins_fill(struct box *b, const struct bulletin_format *f);

/* What a new process does for a session: bulletins are brought, and the maildrop opened. Data base: NULL is none. */
struct bulletins_db {
	bool known;
	uint64_t number;
	void (*advance)(void *arg, uint64_t number);
};
enum err bulletins_session(struct box *b, const struct bulletins_db *db);

/* How often each message is there in the open maildrop; all that is, is whole. */
void bulletins_look(struct box *b, unsigned there[ALL], unsigned at);

/* Marks for box_commit: bulletins go. */
void bulletins_mark(struct box *b, char marks[ALL + 8]);
