/* store/uidl_format.h - what the unique-id of a new message is: `mailbox { uidl-format ...; }' */
#pragma once
#include "store/maildrop.h"

/* Numbers of messages, as other servers give them: used once, and never again. */
struct uidl_numbers {
	uint64_t validity, next; /* of the maildrop, since when; of the next message. 0: none have been given */
};

/* Whether ids are what the driver computes, so that nothing needs to be kept of most of them. */
bool uidl_format_is_computed(const struct maildrop_setup *setup);

/* Names message i, of which the driver has said what it computes. */
enum err uidl_format_name(const struct maildrop *md, struct scan *now, uint32_t i, struct uidl_numbers *numbers,
			  struct why *why);
