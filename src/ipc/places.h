/* ipc/places.h - who has a place: clients counted over all fronts, and who waits for one
 *
 * Memory that all fronts share, those that were started before a reload and those of after it. Each front has a slot, which it
 * alone writes and all read; master clears the slot of one that died, and with it all that this front counted. For a front
 * nothing here makes a system call or waits.
 *
 * A place is taken by counting oneself first and adding up all counts then: two fronts that do so at the same moment may
 * both find one too many and both step back, but never are there more clients than places. Who steps back publishes a
 * ticket and calls places_next, as does who gives a place back, so that a free place always finds the client that waits
 * longest, whichever front holds it. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ipc/catalogue.h"

enum { PLACES_UNSET = 10000 }; /* clients at once where max-children is not set */

/* Octets of the shared memory, zeroed, that so many slots need. */
size_t places_octets(unsigned slots);

/* Master: the front in this slot is gone. */
void places_reset(void *shared, unsigned slots, unsigned slot);

/* Where a front finds its slot. */
struct places_seat {
	void *shared;
	unsigned slots;        /* that there are in it */
	unsigned slot;         /* of this front */
	unsigned first, peers; /* slots of the fronts with the same configuration */
};

/* A front's view; all members are private. */
struct places {
	struct places_seat seat;
	struct places_head *head;
	struct places_part *part, *mine; /* of all slots; of this one */
	struct places_pages *pages;      /* of all slots */
	uint32_t most, per_address;
};

/* Takes the slot of a new front, which must be clear. `seed`: anything that strangers cannot guess. */
void places_open(struct places *p, const struct places_seat *seat, const struct conf *cf, uint64_t seed);

/* It takes no new clients any more; those that it has still count. */
void places_leave(struct places *p);

/* Takes a place, or not. It is given back with places_give, and then places_next tells who is to have it. */
bool places_take(struct places *p);
void places_give(struct places *p);
uint32_t places_mine(const struct places *p);

/* This front has clearly more clients than another one that takes some. */
bool places_are_ahead(const struct places *p);

/* The slot of the other front that has the fewest clients and takes more; -1: there is none. */
int places_idlest(const struct places *p);

/* A ticket, higher than all before; never 0. */
uint64_t places_ticket(struct places *p);

/* The lowest ticket that waits in this front; 0: none. */
void places_publish(struct places *p, uint64_t ticket);

/* Somebody waits, in whatever front. */
bool places_are_awaited(const struct places *p);

/* The slot whose first waiting client is to have the next place; -1: nobody waits, or no place is free. */
int places_next(const struct places *p);

/* True for the first of all fronts that has no place for a client since the last call of places_spell_over: worth a
 * line in the log. */
bool places_spell_begins(struct places *p);
void places_spell_over(struct places *p);

/* Counts one more client that waits for a place at this server, unless `most` wait there already. */
bool places_wait(struct places *p, size_t server, uint32_t most);
void places_wait_over(struct places *p, size_t server);

/* Counts a client of this address; false: there are max-per-address of them already. An IPv6 network of 64 bits counts as
 * one address, since that is what one customer is given. Always true for Unix sockets, and without that statement. */
bool places_address_take(struct places *p, const struct address *a);
void places_address_give(struct places *p, const struct address *a);
