/* store/ahead.h - the files that a scan does not know are read before it asks for them
 *
 * Where these are many, by a crew (store/crew.h), each thread some files at a time. Who scans names them, and then asks for them in the same order. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

struct ahead_task {
	bool (*next)(void *arg,
		     void *file); /* the file that will be asked for behind the last one; false: there are no more */
	enum err (*read)(void *file, void *lane, struct why *why); /* in a thread; see store/crew.h */
	void (*lane_done)(void *lane);                             /* or NULL */
	size_t file_octets, lane_octets;                           /* of what these get, and of a lane */
};

/* Begins as {0}. */
struct ahead {
	const struct ahead_task *task;
	void *arg;
	struct crew *crew; /* NULL: who asks reads for himself */
	/* private to ahead.c */
	struct ahead_batch *batch; /* what the next one asked for is in */
	bool all;                  /* there are no more */
};

/* So many may be asked for. False: these are few, or there are no threads. */
bool ahead_begin(struct ahead *a, const struct ahead_task *task, void *arg, uint64_t files);

/* The next one, as it was read, until that behind it is asked for. */
enum err ahead_take(struct ahead *a, const void **file, struct why *why);
void ahead_end(struct ahead *a);
