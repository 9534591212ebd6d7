/* store/ahead.h - the files that a scan does not know are read before it asks for them
 *
 * Where these are many, by a crew (store/crew.h), each thread some files at a time. Who scans names them, and then asks for them in the same order. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

struct ahead_task {
	/* The file that will be asked for behind the last one, into *file, which may have another one in it. False: there are no more. */
	bool (*next)(void *arg, void *file);
	/* In a thread; see store/crew.h. */
	enum err (*read)(void *file, void *lane, struct why *why);
	void (*lane_done)(void *lane);   /* or NULL */
	size_t file_octets, lane_octets; /* of a file, and of a lane */
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

/* So many may be asked for. `task' is borrowed until the end. False: these are few, or there are no threads, and nothing is to be ended. */
bool ahead_begin(struct ahead *a, const struct ahead_task *task, void *arg, uint64_t files);

/* The next one, as it was read, until that behind it is asked for. An error is that of reading it, and then there is nothing more to ask for. */
enum err ahead_take(struct ahead *a, const void **file, struct why *why);
void ahead_end(struct ahead *a);
