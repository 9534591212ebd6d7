/* store/maildir_name.h - names of messages in a Maildir
 *
 * NUMBER.UNIQUE.HOST[,FIELD=VALUE...][:2,FLAGS]. Flags and fields come and go as programs rename a file; what remains is the
 * stable name, which lasts as long as the message. Any octets but / and NUL may be in a name. */
#pragma once
#include "base/slice.h"
#include "store/scan.h"

#define CLAIM_NONE UINT64_MAX

struct maildir_name {
	uint64_t number, m, q; /* what the order of messages goes by: the leading number, and those behind M and Q */
	uint64_t stored, wire; /* what ,S= and ,W= claim; CLAIM_NONE */
	uint16_t stable_len;
	char stable[NAME_OCTETS];
};

/* A name longer than NAME_OCTETS is cut. */
void maildir_name_parse(struct maildir_name *n, struct slice name);

/* The number that a name begins with; 0 where it begins with none. */
uint64_t maildir_name_number(struct slice name);
