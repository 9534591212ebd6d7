/* ipc/granted.h - the grants that a store worker was given last: who has to hear of it when the worker ends with them
 *
 * Nobody tells whoever sends a grant what became of it. When the worker ends, all are denied: front ignores a denial of a login
 * that it is not waiting for. */
#pragma once
#include <stdint.h>

enum { GRANTED_MOST = 64 }; /* that are remembered until newer ones come */

struct granted {
	uint32_t n; /* so far */
	struct {
		uint64_t sid, reservation;
	} last[GRANTED_MOST];
};

/* reservation: 0, or what it takes along (MSG_RESERVED). */
void granted_note(struct granted *g, uint64_t sid, uint64_t reservation);

/* Calls lost() for each of them, and forgets them. */
void granted_lost(struct granted *g, void (*lost)(void *arg, uint64_t sid, uint64_t reservation), void *arg);
