/* store/ahead.c - see ahead.h */
#include "store/ahead.h"

#include <assert.h>

#include "store/crew.h"

enum { BATCH = 64 }; /* files: what changing hands costs is little beside reading them */

struct ahead_batch {
	const struct ahead_task *task;
	uint32_t count; /* files */
	uint32_t read;  /* of them, without one that could not be */
	uint32_t asked; /* for */
	enum err err;   /* of the one that could not be read */
	struct why why;
	max_align_t file[];
};

static void *file_of(struct ahead_batch *b, uint32_t i)
{
	return (char *)b->file + i * b->task->file_octets;
}

/* In a thread. */
static void read_batch(void *job, void *lane)
{
	struct ahead_batch *b = job;

	for (b->read = 0, b->err = OK; b->read < b->count; b->read++) {
		b->err = b->task->read(file_of(b, b->read), lane, &b->why);
		if (b->err != OK)
			break;
	}
}

bool ahead_begin(struct ahead *a, const struct ahead_task *task, void *arg, uint64_t files)
{
	const struct crew_task reading = {.work = read_batch,
					  .lane_done = task->lane_done,
					  .job_octets = sizeof(struct ahead_batch) + BATCH * task->file_octets,
					  .lane_octets = task->lane_octets};

	*a = (struct ahead){.task = task, .arg = arg, .crew = crew_new(&reading, files)};
	return a->crew != NULL;
}

void ahead_end(struct ahead *a)
{
	crew_free(a->crew);
	a->crew = NULL;
}

/* Work for all of them, as long as there is some. */
static void give(struct ahead *a)
{
	struct ahead_batch *b;

	while (!a->all && (b = crew_place(a->crew)) != NULL) {
		b->task = a->task;
		b->asked = 0;
		for (b->count = 0; b->count < BATCH && !a->all; b->count += !a->all)
			a->all = !a->task->next(a->arg, file_of(b, b->count));
		if (b->count > 0)
			crew_give(a->crew);
	}
}

enum err ahead_take(struct ahead *a, const void **file, struct why *why)
{
	if (!a->batch || a->batch->asked == a->batch->count) {
		give(a);
		a->batch = crew_take(a->crew);
	}
	struct ahead_batch *b = a->batch;

	assert(b);
	if (b->asked == b->read) {
		*why = b->why;
		return b->err;
	}
	*file = file_of(b, b->asked++);
	return OK;
}
