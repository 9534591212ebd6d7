/* store/maildir_ahead.c - the Maildir driver: the files of a scan are read by a crew (store/crew.h), some at a time each */
#include "store/maildir.h"

#include <assert.h>

enum { BATCH = 32 }; /* files: what changing hands costs is little beside reading them */

struct ahead_file {
	const struct found *f; /* not for threads */
	int at;                /* its directory */
	char name[NAME_OCTETS + 1];
	struct listing_rec rec;
	struct scan_entry entry;
	enum maildir_there there;
};

struct maildir_batch {
	uint32_t count, done,
		asked; /* files; those that were read, without one that could not be; those that were asked for */
	enum err err;
	struct why why;
	struct ahead_file file[BATCH];
};

/* In a thread. */
static void read_batch(void *job, void *lane)
{
	struct maildir_batch *b = job;

	for (b->done = 0, b->err = OK; b->done < b->count; b->done++) {
		struct ahead_file *a = &b->file[b->done];

		a->rec = (struct listing_rec){0};
		a->entry = (struct scan_entry){0};
		b->err = maildir_read_in(lane, a->at, a->name, &a->rec, &a->entry, &a->there, &b->why);
		if (b->err != OK)
			break;
	}
}

void maildir_ahead_begin(struct maildir_ahead *a, const struct maildir_list *list, size_t files)
{
	static const struct crew_task task = {
		.work = read_batch, .job_octets = sizeof(struct maildir_batch), .lane_octets = MAILDIR_PIECE};

	a->list = list;
	a->crew = crew_new(&task, files);
}

void maildir_ahead_end(struct maildir_ahead *a)
{
	crew_free(a->crew);
	a->crew = NULL;
}

/* False: there are no more. */
static bool add_next(struct maildir_ahead *a, struct ahead_file *file)
{
	file->f = a->next(a->arg);
	if (!file->f)
		return false;
	file->at = a->dir[file->f->dir];
	return slice_cstr(maildir_list_name(a->list, file->f), file->name, sizeof file->name);
}

/* Work for all of them, as long as there is some. */
static void give(struct maildir_ahead *a)
{
	struct maildir_batch *b;

	while (!a->all && (b = crew_place(a->crew)) != NULL) {
		b->asked = 0;
		for (b->count = 0; b->count < BATCH && !a->all; b->count += !a->all)
			a->all = !add_next(a, &b->file[b->count]);
		if (b->count > 0)
			crew_give(a->crew);
	}
}

enum err maildir_ahead_read(struct maildir_ahead *a, const struct found *f, const char *file, struct listing_rec *r,
			    struct scan_entry *e, enum maildir_there *there, struct why *why)
{
	if (!a->crew)
		return maildir_read_message(a->dir[f->dir], file, r, e, there, why);
	if (!a->batch || a->batch->asked == a->batch->count) {
		give(a);
		a->batch = crew_take(a->crew);
	}
	struct maildir_batch *b = a->batch;

	assert(b && b->file[b->asked].f == f);
	if (b->asked == b->done) {
		*why = b->why;
		return b->err;
	}
	const struct ahead_file *done = &b->file[b->asked++];

	*r = done->rec;
	e->at = done->entry.at;
	*there = done->there;
	if (done->there == MAILDIR_THERE)
		maildir_check_claims(file, r);
	return OK;
}
