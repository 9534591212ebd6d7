/* store/flags.h - what Mailutils and mail readers write of a message: that it was seen, that it was read, its number. `update-flags'
 *
 *	mbox, dotmail	Status: O, and R once it was retrieved; X-UID, and X-IMAPbase in the first message (store/header_edit.h, store/onefile_flags.c)
 *	MH		Status; .mu-prop (store/mu_prop.h)
 *	Maildir		it moves from new/ to cur/; ,a=O and ,u=NUMBER in its name, the flag S once it was retrieved; .mu-prop
 *
 * All of it at QUIT. What has been done is known from the index (struct index_mark), so that a session that changes nothing writes nothing; without an
 * index the mail is looked at. What other programs have changed since stays as they made it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Of a record's flags, beside those of store/stamp.h. */
enum {
	FLAGS_WRITTEN = 512, /* the mail says that it was seen, and its number */
	FLAGS_SEEN = 1024,   /* it was retrieved */
	FLAGS_TOLD = 2048,   /* and the mail says so */
	FLAGS_LEFT = 4096,   /* that could not be written; it is tried again when others are */
	FLAGS_ALL = FLAGS_WRITTEN | FLAGS_SEEN | FLAGS_TOLD | FLAGS_LEFT,
};

/* There is something to be written. */
bool flags_pending(uint32_t flags);

/* What the flags are when it was, or could not be. */
uint32_t flags_written(uint32_t flags);
uint32_t flags_left(uint32_t flags);

/* A set of letters; others are not in it. */
uint64_t flags_letter(char c);

/* Where the letters of a set are written, at most FLAGS_LETTERS; how many, in their order. */
enum { FLAGS_LETTERS = 52 };
uint32_t flags_text(uint64_t letters, char text[FLAGS_LETTERS]);
