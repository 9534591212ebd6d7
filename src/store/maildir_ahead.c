/* store/maildir_ahead.c - the Maildir driver: what it tells of its files to who reads them ahead (store/ahead.h) */
#include "store/maildir.h"

#include <assert.h>

struct ahead_file {
	const struct found *f; /* not for threads */
	int at;                /* its directory */
	char name[NAME_OCTETS + 1];
	struct listing_rec rec;
	struct scan_entry entry;
	enum maildir_there there;
};

static bool next_file(void *maildir_ahead, void *file)
{
	struct maildir_ahead *a = maildir_ahead;
	struct ahead_file *next = file;

	next->f = a->next(a->arg);
	if (!next->f)
		return false;
	next->at = a->dir[next->f->dir];
	(void)slice_cstr(maildir_list_name(a->list, next->f), next->name, sizeof next->name);
	return true;
}

static enum err read_file(void *file, void *lane, struct why *why)
{
	struct ahead_file *f = file;

	f->rec = (struct listing_rec){0};
	f->entry = (struct scan_entry){0};
	return maildir_read_in(lane, f->at, f->name, &f->rec, &f->entry, &f->there, why);
}

void maildir_ahead_begin(struct maildir_ahead *a, const struct maildir_list *list, size_t files)
{
	static const struct ahead_task task = {.next = next_file,
					       .read = read_file,
					       .file_octets = sizeof(struct ahead_file),
					       .lane_octets = MAILDIR_PIECE};

	a->list = list;
	(void)ahead_begin(&a->ahead, &task, a, files); /* else it is read when it is asked for */
}

void maildir_ahead_end(struct maildir_ahead *a)
{
	ahead_end(&a->ahead);
}

enum err maildir_ahead_read(struct maildir_ahead *a, const struct found *f, const char *file, struct listing_rec *r,
			    struct scan_entry *e, enum maildir_there *there, struct why *why)
{
	const void *taken;

	if (!a->ahead.crew)
		return maildir_read_message(a->dir[f->dir], file, r, e, there, why);
	enum err err = ahead_take(&a->ahead, &taken, why);

	if (err != OK)
		return err;
	const struct ahead_file *done = taken;

	assert(done->f == f);
	*r = done->rec;
	e->at = done->entry.at;
	*there = done->there;
	if (done->there == MAILDIR_THERE)
		maildir_check_claims(file, r);
	return OK;
}
