/* store/bulletin_text.h - a bulletin as it is stored in a maildrop, whatever the formats of both are
 *
 * What a client of the source would be sent, stored anew: without the headers that programs keep for themselves, lines ending in LF, quoted as
 * the maildrop's format wants it. In pieces: a bulletin may have any length. */
#pragma once
#include "store/bulletin_source.h"
#include "store/digest.h"

/* Where it goes. */
struct bulletin_form {
	enum digest_lines lines;
	uint32_t rules;   /* enum wire_rule of the maildrop */
	bool from_line;   /* begins with a From_ line, that of an mbox as it stands there */
	struct slice end; /* behind it */
	void (*put)(void *arg, struct slice octets);
	void *arg;
};

/* Message i of the source. *key: half of its identity in the maildrop. After an error some of it may have been put. */
enum err bulletin_write(const struct bulletin_reading *r, uint32_t i, const struct bulletin_form *form, uint64_t *key,
			struct why *why);

/* Whether all of it is there: one that was touched a moment ago must have an end. */
bool bulletin_is_whole(const struct bulletin_reading *r, uint32_t i);

/* When it is from: its header Date, or that of its From_ line, or when its file was written. False: nobody knows. */
bool bulletin_date(const struct bulletin_reading *r, uint32_t i, int64_t *seconds);
