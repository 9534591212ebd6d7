/* master/commons.h - what processes of all configurations share, and what lasts over a reload
 *
 * A generation (the fronts that one master starts) has `fronts` slots in a row: a part of the places page and an eventfd for
 * each. The keys of TLS tickets are the same for all, and auth's table of wrong passwords is, too. There is room for so many
 * generations at once. */
#pragma once
#include "ipc/region.h"
#include "ipc/role.h"
#include "ipc/tickets.h"

enum { GENERATIONS_MOST = 16 };

struct commons {
	struct region places;
	struct region tickets;   /* ipc/tickets.h */
	struct region penalties; /* of auth processes; size 0: there is none */
	unsigned fronts;         /* that a generation may have */
	unsigned generations;    /* that there is room for */
	int wake[SLOTS_MOST];    /* -1 behind the last slot */
};

/* For so many generations, or as many as there are slots for. penalties: octets that auth wants. After an error nothing is left behind. */
enum err commons_open(struct commons *c, unsigned generations, size_t penalties, struct why *why);
void commons_close(struct commons *c);

/* The front in this slot is gone: what it counted is not there any more, and clients that wait may have its places. */
void commons_clear(const struct commons *c, unsigned slot);
