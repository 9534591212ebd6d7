/* store/uidl_import.h - the unique-ids that another server has given the messages of a maildrop
 *
 * Read from what that server has left in or beside the mail, as the owner of the mail; all of it is checked like hostile input. */
#pragma once
#include "store/maildrop.h"
#include "store/uidl_file.h"

struct uidl_import {
	const char *format;  /* one of uidl_import_formats */
	const char *pattern; /* dovecot: pop3_uidl_format; cyrus: another than %v.%u; else NULL */
	uint64_t validity;   /* cyrus: of the mailbox */
	struct slice from;   /* listing, poplar: what the file has that they are read from */
};

struct uidl_imported {
	uint8_t *has;            /* of each message: its id was found; owned */
	uint32_t found, doubled; /* of those that were found, the id of another: such a message keeps its own */
	uint64_t validity, next; /* numbers that the other server would have gone on with; 0: none */
};

/* Names, and what each is read from, for people; the last is {NULL}. */
struct uidl_import_format {
	const char *name, *about;
	bool pattern, from, validity; /* what it needs besides */
	enum err (*find)(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			 struct uidl_imported *out, struct why *why);
};
extern const struct uidl_import_format uidl_import_formats[];

/* Gives the messages of `now`, which is settled, the ids that are found; the others keep theirs. All are different behind it. To be ended by
 * uidl_imported_done in any case. */
enum err uidl_import(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
		     struct uidl_imported *out, struct why *why);
void uidl_imported_done(struct uidl_imported *out);

/* The next line "NUMBER ID" of what a client has seen of UIDL; other lines are skipped. False: no more. */
bool uidl_listing_next(struct slice *rest, uint32_t *msgno, struct slice *uidl);
