/* master/ending.h - how a generation ends: its fronts take no more clients, then its processes go, or are killed */
#pragma once
#include "ipc/catalogue.h"
#include "master/master.h"

/* No more clients; the roles end behind the last one that may stay. Fewer may, when it comes again. */
void ending_leave(struct master *m, enum leave stay);

/* Those that run; with `taking`, those of them that still take clients. */
unsigned fronts_count(const struct master *m, bool taking);

/* While leaving: a front takes no more clients, or is gone. */
void ending_front_left(struct master *m);

/* Children see their channel close, and end by themselves; those that do not are killed when the patience that begins
 * here is at its end. `status` is what we exit with. */
void ending_stop(struct master *m, int status);

/* Sends a signal to all children. */
void ending_kill(struct master *m, int sig);

/* So long the start, or the end, may take from now on: m->patience begins anew. */
void patience_set(struct master *m, double seconds);
