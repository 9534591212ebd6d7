/* ipc/tickets.h - the keys of session tickets (RFC 5077; RFC 8446, section 4.6.1), shared by all fronts
 *
 * Whichever front issued a ticket, every other one accepts it, those of the next generation too. The keeper alone writes
 * them (it maps nothing: the region's descriptor is enough), and makes a new one every TICKETS_PERIOD_S; the two before it
 * are accepted still. So a ticket is good for two periods at least, whatever is reloaded meanwhile; older sessions cannot be
 * read with what the processes hold. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"
#include "ipc/region.h"

enum {
	TICKETS_PERIOD_S = 4 * 3600,
	TICKETS_LIFETIME_S = 2 * TICKETS_PERIOD_S, /* what clients are told */
	TICKET_NAME_OCTETS = 16,
	TICKET_KEY_OCTETS = 32,
	TICKETS_ACCEPTED = 3,
	TICKETS_KEPT = 4, /* one more, so that a key is never written over while somebody may use it */
};

struct ticket_key {
	uint8_t name[TICKET_NAME_OCTETS]; /* in the clear in each ticket */
	uint8_t aes[TICKET_KEY_OCTETS], hmac[TICKET_KEY_OCTETS];
};

struct tickets {
	_Atomic uint32_t made; /* keys so far: the last one is key[(made - 1) % TICKETS_KEPT] */
	struct ticket_key key[TICKETS_KEPT];
};

/* The keeper: another key, which is the one for new tickets from now on. `r` was zeroed at first. On failure all stays. */
enum err tickets_rotate(const struct region *r, struct why *why);

/* Fronts: the key for new tickets; the one of this name, NULL where it is not accepted (any more). */
const struct ticket_key *tickets_current(const struct tickets *t);
const struct ticket_key *tickets_find(const struct tickets *t, const uint8_t name[static TICKET_NAME_OCTETS]);
