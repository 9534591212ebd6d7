/* bench/dialogue.h - what a session says and what it must hear
 *
 * A scenario is a table of steps. The caller sends what dialogue_say gives it and hands over the lines that arrive; nothing
 * here knows a socket or a clock. */
#pragma once
#include "load.h"

struct text {
	const char *p;
	size_t n;
};

struct step;

struct scenario {
	const char *name;
	const char *help;
	const struct step *steps;
	bool holds;   /* sessions stay open in the middle, all at once */
	bool deletes; /* every second message, from the first on */
};

/* Ends with a row without a name. */
extern const struct scenario scenarios[];

enum { COMMAND_MOST = 512 };

/* The dialogue's part of a connection. */
struct dialogue {
	const struct scenario *sc;
	const struct step *step; /* whose reply is awaited */
	struct user *user;
	const char *password;
	uint32_t messages; /* STAT */
	uint64_t octets;   /* STAT */
	uint64_t *size;    /* LIST, of each message; owned */
	uint32_t sizes_room;
	uint32_t msgno; /* that the current reply has come to; or how many of the step's replies have begun */
	uint32_t said;  /* commands of this step, where it has one for each message */
	uint32_t ahead; /* commands of such a step that may wait for their replies at the same time */
	uint64_t sum;   /* of octets in the current reply */
	uint32_t crc;   /* of the current reply */
	bool lines;     /* behind the first line of a multi-line reply */
	bool body;      /* behind the header of a message */
	bool promised;  /* the header has the body's checksum: */
	uint32_t promise;
	char *uids; /* of a user never seen before, each with its NUL; owned */
	size_t uids_len, uids_room;
	uint64_t fetched, verified;
	char why[256]; /* why it failed; empty: it has not */
};

void dialogue_begin(struct dialogue *d, const struct options *opt, struct user *user);
void dialogue_free(struct dialogue *d);

/* What became of a line, or of the whole. */
enum heard {
	HEARD_MORE, /* of the reply is to come */
	HEARD_SAY,  /* a reply is complete: send what dialogue_say writes */
	HEARD_HOLD, /* the reply is complete: stay like this until dialogue_release */
	HEARD_END,  /* that was the last one: the server closes now */
	HEARD_WRONG
};

/* A line that arrived, without its CRLF. */
enum heard dialogue_hear(struct dialogue *d, struct text line);

/* The commands that are due, each with its CRLF, as many as there is room for; their octets. */
size_t dialogue_say(struct dialogue *d, char *out, size_t room);

/* Nothing was sent of the current step. */
bool dialogue_begins_step(const struct dialogue *d);

/* Commands were sent whose replies have not come to their end. */
bool dialogue_awaits(const struct dialogue *d);

/* Where it stands, counted from 0, the greeting; and what is said there, or "". */
unsigned dialogue_step(const struct dialogue *d);
const char *scenario_verb(const struct scenario *sc, unsigned step);

/* Goes on behind a hold. */
void dialogue_release(struct dialogue *d);

/* Where it stands, for messages. */
const char *dialogue_at(const struct dialogue *d);

/* Notes why, if nothing is noted yet. */
enum heard dialogue_fail(struct dialogue *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with the line that was heard. Always false. */
bool dialogue_wrong(struct dialogue *d, const char *what, struct text line);
