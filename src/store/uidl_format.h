/* store/uidl_format.h - what the unique-id of a new message is: `mailbox { uidl-format ...; }' */
#pragma once
#include "conf/uidl_pattern.h"
#include "store/maildrop.h"

/* Numbers of messages, as other servers give them: used once, and never again. */
struct uidl_numbers {
	uint64_t validity, next; /* of the maildrop, since when; of the next message. 0: none have been given */
};

/* Whether ids are what the driver computes, so that nothing needs to be kept of most of them. */
bool uidl_format_is_computed(const struct maildrop_setup *setup);

/* Names message i, of which the driver has said what it computes; where the format asks for something that it has not, that stays. */
enum err uidl_format_name(const struct maildrop *md, struct scan *now, uint32_t i, struct uidl_numbers *numbers,
			  struct why *why);

/* What a message has: its number is the caller's. Texts are valid until the next call. */
enum err uidl_facts_of(const struct maildrop *md, const struct scan *scan, uint32_t i, struct uidl_facts *facts,
		       struct why *why);

/* The pattern of a format that has one, in Dovecot's language; NULL: it has none. */
const char *uidl_format_pattern(const char *format, const char *pattern);

/* Whether a text can be a UIDL (RFC 1939, section 7). */
bool uidl_is_sane(struct slice text);
