/* store/maildrop_commit.c - what a session changes: stamps, flags and deletions. See maildrop.h */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/maildrop_parts.h"
#include "store/uidl_settle.h"

/* ---- stamps ---- */

static bool writes_headers(const struct maildrop *md)
{
	return md->setup->stamps.header && md->setup->stamps.days != UINT32_MAX;
}

/* The index lies somewhere, or in memory: then nothing is marked. */
static int open_marks(const struct maildrop *md)
{
	struct index_place place[MAILDROP_PLACES];
	int fd = -1;

	maildrop_places(md, place);
	for (int p = 0; p < MAILDROP_PLACES && fd < 0; p++)
		fd = index_writer(&md->index, &place[p]);
	return fd;
}

/* Whether there is a set, of a bit for each message. */
static bool have_set(const struct maildrop *md, uint8_t **set)
{
	if (!*set)
		*set = calloc((size_t)md->index.count / 8 + 1, 1);
	return *set != NULL;
}

/* Without an index: for QUIT, if that is to write headers. */
static bool note_retrieved(struct maildrop *md, uint32_t i, uint32_t n, unsigned what)
{
	bool stamps = what & RETRIEVED_STAMP && writes_headers(md), seen = what & RETRIEVED_SEEN;

	if ((stamps && !have_set(md, &md->retrieved)) || (seen && !have_set(md, &md->seen)))
		return false;
	for (; (stamps || seen) && n > 0; i++, n--) {
		uint8_t bit = (uint8_t)(1 << i % 8);
		struct message m;

		if (maildrop_window(md, i, 1, NULL) != OK)
			return false;
		maildrop_message(i, &m);
		if (stamps && m.rec.stamp == 0)
			md->retrieved[i / 8] |= bit;
		if (seen)
			md->seen[i / 8] |= bit;
	}
	return true;
}

void maildrop_retrieved(struct maildrop *md, uint32_t msgno, uint32_t n, unsigned what)
{
	struct why why = {"there is no index, and no memory"};
	bool done = false;

	if (md->retrieved_at == 0)
		md->retrieved_at = stamp_now();
	if (md->marks < 0)
		md->marks = open_marks(md);
	if (md->marks >= 0)
		done = index_mark(&md->index, md->marks, msgno - 1, n, what & RETRIEVED_STAMP ? md->retrieved_at : 0,
				  what & RETRIEVED_SEEN, &why) == OK;
	else
		done = note_retrieved(md, msgno - 1, n, what);
	if (!done)
		debug(TOPIC_MAILBOX, DEBUG_ERROR, "%s: %s", md->path, why.text);
}

static bool has_flags(const struct maildrop *md)
{
	return md->setup->update_flags && (!md->index.flagged || md->seen);
}

uint64_t maildrop_due(const struct maildrop *md)
{
	const struct stamp_setup *setup = &md->setup->stamps;

	return has_flags(md) || (writes_headers(md) && md->index.unwritten) ? 0 : stamp_ends(setup, md->index.oldest);
}

enum err maildrop_expired(const struct maildrop *md, uint8_t *set, uint32_t *found, struct why *why)
{
	const struct stamp_setup *setup = &md->setup->stamps;
	uint64_t life = stamp_ends(setup, 1) - 1, now = stamp_now();

	*found = 0;
	if (life > now || stamp_ends(setup, md->index.oldest) > now)
		return OK;
	return index_stamped(&md->index, (uint32_t)(now - life), 0, set, found, why);
}

/* ---- changes ---- */

uint32_t changes_count(const struct changes *ch)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ((size_t)ch->count + 7) / 8; i++)
		n += (uint32_t)__builtin_popcount(ch->deleted[i]);
	return n;
}

bool changes_next(const struct maildrop *md, const struct changes *ch, struct changes_walk *walk, struct message *m,
		  enum err *err, struct why *why)
{
	uint32_t i = walk->next;

	while (i < ch->count && !(ch->deleted[i / 8] >> i % 8 & 1))
		i++;
	walk->next = i + 1;
	if (i >= ch->count)
		return false;
	*err = OK;
	if (i - walk->from >= walk->n) {
		walk->from = i;
		walk->n = ch->count - i < INDEX_WINDOW ? ch->count - i : INDEX_WINDOW;
		*err = maildrop_window(md, i, walk->n, why);
	}
	if (*err == OK)
		maildrop_message(i, m);
	else
		walk->n = 0;
	return true;
}

static bool is_journal_left(const struct maildrop *md)
{
	const struct journal_place place = {.dir = md->setup->journal_dir};
	struct stat st;

	return md->lock.held && fstat(md->fd, &st) == 0 && journal_is_left(&place, st.st_ino);
}

void maildrop_unlock(struct maildrop *md, enum err err)
{
	if (err != OK && is_journal_left(md)) /* whatever it looks like, it is no mailbox yet */
		mailbox_lock_leave(&md->lock);
	mailbox_lock_release(&md->lock);
}

/* The first one of them. A maildrop where it cannot be done is told of once in a while. */
static void tell_unwritten(const struct maildrop *md, const struct outcome *out)
{
	static uint64_t told_ms;
	uint64_t now_ms = clock_ms();

	if ((out->unstamped == 0 && out->unflagged == 0) || (told_ms != 0 && now_ms - told_ms < TELL_MS))
		return;
	told_ms = now_ms;
	if (out->unstamped > 0)
		log_line(LOG_NOTICE, "%.200s: when %u messages were retrieved is in the index alone: %.200s", md->path,
			 out->unstamped, out->unstamped_why.text);
	else
		log_line(LOG_NOTICE, "%.200s: flags of %u messages are not written: %.200s", md->path, out->unflagged,
			 out->unstamped_why.text);
}

/* Under the mailbox lock. What the driver knows of the mail that is left becomes the next index; where that fails, it is scanned. */
static enum err commit_locked(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why)
{
	static struct uidl_marks marks; /* a process does one thing at a time */
	struct index_place place[MAILDROP_PLACES];
	struct scan left = {0};
	int64_t taken_ns = clock_wall_ns();

	bool deletes = out->failed > 0;

	if (deletes)
		uidl_marks_make(&marks, md, ch);
	enum err err = md->driver->commit(md, ch, out, &left, why);

	maildrop_decide_stamps(md, &left, true);
	if (deletes)
		uidl_marks_end(&marks, err == OK && out->failed == 0);
	tell_unwritten(md, out);
	if ((left.count > 0 || out->left) && uidl_settle(md, &left, NULL) == OK)
		(void)maildrop_put_index(md, &left, taken_ns, place, NULL);
	else if ((ch->stamped || ch->flagged) && md->marks >= 0)
		index_tried(&md->index, md->marks);
	scan_done(&left);
	return err;
}

/* The messages that are to get a header: those of the index, and of this session where there is none. NULL: none, or no memory. */
static uint8_t *find_unwritten(struct maildrop *md)
{
	uint8_t *set = md->retrieved;
	uint32_t n;

	if (!writes_headers(md) || (!md->index.unwritten && !set))
		return NULL;
	if (md->marks < 0)
		md->marks = open_marks(md);
	if (have_set(md, &md->retrieved))
		set = md->retrieved;
	if (set && index_stamped(&md->index, UINT32_MAX, STAMP_HEADER, set, &n, NULL) != OK)
		return NULL;
	return set;
}

/* Likewise those whose flags are to be written. */
static uint8_t *find_unflagged(struct maildrop *md)
{
	uint32_t n, known = 0;

	if (!has_flags(md) || !have_set(md, &md->flagged))
		return NULL;
	if (md->marks < 0)
		md->marks = open_marks(md);
	for (size_t i = 0; md->seen && i < (size_t)md->index.count / 8 + 1; i++)
		known += (md->flagged[i] = md->seen[i]) != 0;
	if (index_unflagged(&md->index, md->flagged, &n, NULL) != OK || known + n == 0)
		return NULL;
	return md->flagged;
}

enum err maildrop_commit(struct maildrop *md, const struct changes *marked, struct outcome *out, struct why *why)
{
	struct changes changes = *marked, *ch = &changes;
	enum err err = OK;

	ch->stamped = find_unwritten(md);
	ch->flagged = find_unflagged(md);
	ch->seen = md->seen;
	ch->stamp = md->retrieved_at > 0 ? md->retrieved_at : stamp_now();
	*out = (struct outcome){.failed = changes_count(ch)};
	maildrop_stop_reading(md);
	if (out->failed == 0 && !ch->stamped && !ch->flagged)
		return OK;
	md->keepable = false;
	if (md->driver->in_one_file && !md->lock.held)
		err = maildrop_reopen(md, why);
	if (err == OK)
		err = maildrop_lock_begin(md, why);
	if (err == OK)
		err = commit_locked(md, ch, out, why);
	if (err != OK && err != ERR_IN_USE && (ch->stamped || ch->flagged) && md->marks >= 0)
		index_tried(&md->index, md->marks);
	maildrop_unlock(md, err);
	maildrop_let_go(md); /* behind it the session ends, and its client hears of it */
	return err;
}
