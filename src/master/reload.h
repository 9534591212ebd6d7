/* master/reload.h - a configuration comes into force: at the start, and at each reload
 *
 * In steps, each of which is an event in the keeper's loop: the files are read, sockets opened, a generation is started; it serves;
 * the one before it is told to leave; it has left the doors. Until a generation serves, all that was in force is as it was. */
#pragma once
#include "master/keeper.h"

/* The files are read again, and what they say is begun. */
void reload_start(struct keeper *k);

/* k->new_cf is begun. After an error the caller tells, and calls reload_failed where something is in force. */
enum err reload_begin(struct keeper *k, struct why *why);

/* So is what is in force, once more: nobody serves it. */
enum err reload_revive(struct keeper *k, struct why *why);

/* What was in force stays; what was begun is given back. */
void reload_failed(struct keeper *k, const char *reason);

/* Every client that comes now is served by the new configuration. */
void reload_done(struct keeper *k);
