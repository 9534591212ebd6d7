/* tests/store/model.h - what test_model.c compares a maildrop with: its letters, and what a session saw of them */
#pragma once
#include "box.h"

enum {
	MESSAGES_MOST = 24, /* that are delivered in a sequence */
	TEXT_MOST = 320,
	STAMP_DAYS = 3,
};

struct letter {
	int number;
	bool there;
	char status;    /* what another program has written; 0: nothing */
	char name[48];  /* Maildir: "cur/1.M1.h:2,S"; MH: "7" */
	unsigned place; /* in the order of messages */
	char uidl[UIDL_MOST + 1];
	uint32_t stamp;  /* when it was first retrieved; 0: it was not */
	uint32_t header; /* the stamp that is written in the letter; 0: none */
	bool unsure;     /* what knew its stamp may be lost */
};

struct model {
	struct letter letter[MESSAGES_MOST];
	int letters;
	bool open;
	int seen[MESSAGES_MOST]; /* letters of the session, by message-number - 1 */
	int seens;
	bool marked[MESSAGES_MOST],
		touched[MESSAGES_MOST]; /* by letter: deleted in the session; changed by others since it began */
	bool index_lost;                /* in this session: what is marked in it may be, too */
};

struct format {
	const char *name, *index;
	void (*make)(struct box *b);
	void (*prepare)(void);
	void (*deliver)(struct letter *l);
	void (*edit)(uint32_t dice);
	void (*look)(void);          /* the mail is what the model says, as other programs see it */
	bool at_once;                /* a commit that is interrupted has done all or nothing */
	const char *before, *behind; /* a message of a mailbox in one file */
	enum {
		STAMPS_NOT,
		STAMPS_TRIED,
		STAMPS_WRITTEN
	} stamps; /* where they are: in the index alone, or in headers, too */
};

extern struct box box;
extern struct model model;
extern const struct format *format; /* of the running sequence */
extern const struct format formats[];
enum { FORMATS = 12 };

/* A letter as it is stored, and one with this header of a stamp (0: none). */
void letter_text(const struct letter *l, char out[TEXT_MOST]);

/* Some letter that is there; NULL: none is. */
struct letter *letter_any(uint32_t dice);
