/* store/onefile_ahead.c - parts of a mailbox in one file are read by a crew (store/crew.h). See onefile.h
 *
 * A part is some octets of the file, and what belongs to it are the messages that begin in them. So each message is in one part, whoever reads which, and nobody
 * needs to know where the part before ends. */
#include "store/crew.h"
#include "store/onefile.h"

enum {
	WINDOW = 64 * 1024,
	SLACK = 16 * 1024,        /* what is read behind a part, to see where its last message ends: mostly enough */
	ROW = 4,                  /* octets of a part, times room_rows() (store/room.h): 256 KiB, in tests less */
	MESSAGE_OCTETS = 2 * 1024 /* of a message, as far as one is like others: an mbox of 1 MiB has many */
};

struct lane {
	char window[WINDOW];
};

/* ---- in its threads ---- */

/* To the first message that begins at or behind the part's first octet; *is false: none does before its end. */
static enum err find_first(struct text *t, const struct onefile_part *p, bool *is, struct why *why)
{
	enum err err = text_fill(t, why);
	bool last = false;

	t->from = TEXT_KEPT - 1; /* what ends before the next octet ends with this one */
	while (err == OK && !last && t->at + t->from < p->end) {
		struct slice skipped;

		err = p->all->format->piece(t, &skipped, &last, why);
	}
	*is = last;
	return err;
}

static enum err begin(struct text *t, const struct onefile_part *p, char *window, bool *is, struct why *why)
{
	text_open_in(t, p->all->fd, p->is_first ? p->at : p->at - TEXT_KEPT, p->all->end, window, WINDOW);
	*is = true;
	return p->is_first ? OK : find_first(t, p, is, why);
}

static void read_part(void *job, void *lane)
{
	struct onefile_part *p = job;
	const struct onefile_format *f = p->all->format;
	struct text t;
	bool is;
	enum err err = begin(&t, p, ((struct lane *)lane)->window, &is, &p->why);

	for (p->count = 0; err == OK && is && p->count < ONEFILE_PART_MOST;) {
		struct onefile_message *m = &p->message[p->count];
		uint64_t pos;

		err = f->next(&t, &m->at, &pos, &is, &p->why);
		is = is && m->at < p->end;
		if (err == OK && is)
			err = onefile_digest(&t, f, p->all->rules, pos, &m->digest, &p->why);
		p->count += err == OK && is;
	}
	p->next = is ? t.at + t.from : p->end;
	p->err = err;
}

static void lane_done(void *lane)
{
	(void)lane;
	uidl_forget();
}

/* ---- in the one that scans ---- */

bool onefile_ahead_begin(struct onefile_ahead *a)
{
	static const struct crew_task task = {read_part, lane_done, sizeof(struct onefile_part), sizeof(struct lane)};

	a->given = a->at;
	a->octets = (uint64_t)room_rows() * ROW - (room_rows() * ROW > 2 * SLACK ? SLACK : 0);
	a->crew =
		a->format->from_anywhere && digest_share() ? crew_new(&task, (a->end - a->at) / MESSAGE_OCTETS) : NULL;
	return a->crew != NULL;
}

void onefile_ahead_end(struct onefile_ahead *a)
{
	crew_free(a->crew);
}

static void give(struct onefile_ahead *a)
{
	struct onefile_part *p;

	while (a->given < a->end && (p = crew_place(a->crew)) != NULL) {
		p->all = a;
		p->at = a->given;
		p->is_first = p->at == a->at;
		p->end = a->end - p->at > a->octets ? p->at + a->octets : a->end;
		a->given = p->end;
		crew_give(a->crew);
	}
}

/* Where messages are so small that a part of this size has too many, parts become smaller. */
const struct onefile_part *onefile_ahead_take(struct onefile_ahead *a)
{
	give(a);
	const struct onefile_part *p = crew_take(a->crew);

	if (p && p->next < p->end && a->octets <= p->end - p->at && a->octets > SLACK)
		a->octets /= 2;
	return p;
}
