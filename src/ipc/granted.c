/* ipc/granted.c - see granted.h */
#include "ipc/granted.h"

void granted_note(struct granted *g, uint64_t sid, uint64_t reservation)
{
	uint32_t at = g->n++ % GRANTED_MOST;

	g->last[at].sid = sid;
	g->last[at].reservation = reservation;
}

void granted_lost(struct granted *g, void (*lost)(void *arg, uint64_t sid, uint64_t reservation), void *arg)
{
	uint32_t n = g->n < GRANTED_MOST ? g->n : GRANTED_MOST;

	g->n = 0;
	for (uint32_t i = 0; i < n; i++)
		lost(arg, g->last[i].sid, g->last[i].reservation);
}
