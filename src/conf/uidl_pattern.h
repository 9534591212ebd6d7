/* conf/uidl_pattern.h - patterns of unique-ids, as Dovecot's pop3_uidl_format has them
 *
 * %u (the message's number), %v (the mailbox's validity), %m (MD5 of the header), %f (the file's name), %g (the message's GUID), %%; numbers with
 * 0 and a width, and X or x for hexadecimal digits, before the letter: %08Xu. */
#pragma once
#include "base/slice.h"

/* What a message has; an empty text: it has none. */
struct uidl_facts {
	uint64_t number, validity;
	struct slice md5, name, guid;
};

/* False: not such a pattern. *numbers: there are numbers in it. */
bool uidl_pattern_is(struct slice pattern, bool *numbers);

/* False: the message lacks something. */
bool uidl_pattern_put(struct buf *out, struct slice pattern, const struct uidl_facts *facts);
