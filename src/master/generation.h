/* master/generation.h - all processes of one configuration, as the keeper sees them: their master
 *
 * A generation begins at the start or at a reload, and ends with its last client. Its master is a process of its own, so
 * that everything that belongs to a configuration (its memory, workers, certificates, caches) ends with that process, and
 * whatever goes wrong while it starts does so apart from the one that serves. */
#pragma once
#include "master/commons.h"
#include "master/sockets.h"

#include "ipc/chan.h"

struct keeper;

struct generation {
	struct keeper *keeper;
	unsigned place; /* in the commons */
	pid_t pid;      /* of its master; 0: this place is free */
	struct chan chan;
	bool ready; /* it serves */
	bool left;  /* it was told to leave, and takes no more clients */
};

/* What a new one is given. */
struct generation_setup {
	struct ev_loop *loop; /* the keeper's */
	ev_signal *signal;    /* watchers of the keeper's, which the new process must not have */
	size_t signals;
	const struct chan_ops *ops; /* of the channel to its master, whose owner is the generation */
	struct conf *cf;
	struct listeners *listeners;
	struct commons *commons;
	unsigned number; /* of generations so far */
	int report;      /* a descriptor that is for the keeper alone; -1: none */
};

/* In a free place. After OK it says MSG_READY, or MSG_FAILED, or just ends. */
enum err generation_start(struct generation *g, const struct generation_setup *s, struct why *why);

/* No more clients; it ends when those that may stay have gone. */
void generation_leave(struct generation *g, enum leave stay);

/* Its master has ended: its place, and those that its fronts counted, are free again. */
void generation_end(struct generation *g, const struct commons *commons);
