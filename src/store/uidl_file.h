/* store/uidl_file.h - the durable file of a maildrop: unique-ids that cannot be computed from the mail alone
 *
 * Ids of identical copies, ids that another server has given, and numbers that have been used. It is no cache: it belongs to the mail,
 * and to its backup. Text, so that it can be moved to any machine, and read by people:
 *
 *	pop3d-uidl 1
 *	maildrop /var/mail/bob
 *	numbers VALIDITY NEXT		where ids have numbers (`uidl-format'): the mailbox's, and the next message's
 *	KEY SUB - UIDL			a message, in the order of the maildrop; `x' for `-': a commit was about to delete it
 *	end COUNT CRC			of messages; CRC32C of all before, in hexadecimal, with `-' for every `x'
 *
 * KEY is what lasts about the message, and SUB tells messages of one key apart (struct store_driver, lasting), both in hexadecimal.
 * Written beside, synced, and renamed; only marks are set in place, an octet each, so that mail can be deleted where the disk is full.
 *
 * It lies in the owner's directory of such files, by the canonical path of the maildrop. All in it is checked like hostile input. */
#pragma once
#include <stddef.h>

#include "base/slice.h"
#include "base/why.h"
#include "store/room.h"
#include "store/scan.h"

enum {
	UIDL_FILE_VERSION = 1,
	UIDL_FILE_OCTETS = 256 * 1024 * 1024, /* more is not read: a message takes about 70 */
};

struct uidl_place {
	int dir;          /* borrowed; open for reading: it is synced. -1: there is none */
	const char *path; /* of the maildrop, canonical; borrowed */
	char name[NAME_OCTETS + 1];
};

/* What a path is called: %2F for a slash, %25 for a percent sign; one that is long is cut, with a hash behind it. */
void uidl_place_name(struct uidl_place *place);

/* The same for what else lies there, with this end of the name instead of `.uidl', of at most 20 octets. */
void uidl_place_called(struct uidl_place *place, const char *end);

struct uidl_entry {
	uint64_t key, sub;
	uint32_t at; /* of the UIDL, in the octets */
	uint8_t len; /* of it */
	bool going;
	bool twin; /* another entry has the same key; private to uidl_marks.c */
};

struct uidl_file {
	bool there;
	struct uidl_entry *entry;
	uint32_t count;
	uint64_t validity, next;   /* numbers; 0: none have been given */
	char *text;                /* the file */
	struct room entries, room; /* what entry and text point into; owned */
};

/* OK with `there` false: no such file. ERR_PERM: it is damaged, or of a version that is not known, which *unknown says. After an error there is
 * nothing to free. */
enum err uidl_file_read(struct uidl_file *f, const struct uidl_place *place, bool *unknown, struct why *why);
void uidl_file_done(struct uidl_file *f);

/* The same from a text, which is copied. */
enum err uidl_file_parse(struct uidl_file *f, struct slice text, struct why *why);

struct slice uidl_file_uidl(const struct uidl_file *f, uint32_t i);

/* Durably marks entries: those that are `going` now, and were not when they were read. */
enum err uidl_file_mark(const struct uidl_file *f, const struct uidl_place *place, struct why *why);

/* Another name, for people to look at: what was read is damaged. */
enum err uidl_file_set_aside(const struct uidl_place *place, char aside[static NAME_OCTETS + 1], struct why *why);

/* A file in the making. `failed`: no memory, and nothing else happens any more. */
struct uidl_text {
	char *p;
	size_t n;
	struct room room; /* what p points into; owned */
	uint32_t count;
	bool failed;
};
void uidl_text_begin(struct uidl_text *t, const char *path, uint64_t validity, uint64_t next);
void uidl_text_add(struct uidl_text *t, uint64_t key, uint64_t sub, bool going, struct slice uidl);
void uidl_text_end(struct uidl_text *t);
void uidl_text_done(struct uidl_text *t);

/* Durably puts it in the place of what is there; after an error that is what it was. */
enum err uidl_file_write(const struct uidl_place *place, const struct uidl_text *t, struct why *why);

/* Durably removes it; there being none is fine. */
enum err uidl_file_remove(const struct uidl_place *place, struct why *why);
