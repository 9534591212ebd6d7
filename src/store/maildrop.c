/* store/maildrop.c - see maildrop.h */
#include "store/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/mailutils_lock.h"
#include "store/replay.h"
#include "store/uidl_settle.h"

enum {
	BODY_INLINE = 64 * 1024, /* octets of a message that is rather sent than handed over as a descriptor */
	TELL_MS = 60 * 1000,
};

/* ---- the index ---- */

enum { BESIDE, IN_DIR, PLACES };

static void places_of(const struct maildrop *md, struct index_place place[PLACES])
{
	bool file = md->driver->in_one_file;

	place[BESIDE].dir = md->setup->index != INDEX_AUTO ? -1 : file ? md->parent : md->fd;
	if (file)
		(void)snprintf(place[BESIDE].name, sizeof place[BESIDE].name, ".%s.pop3idx", md->name);
	else
		(void)snprintf(place[BESIDE].name, sizeof place[BESIDE].name, "%s",
			       md->driver->index_name ? md->driver->index_name : ".pop3-index");
	place[IN_DIR].dir = md->setup->index == INDEX_OFF ? -1 : md->setup->index_dir;
	(void)snprintf(place[IN_DIR].name, sizeof place[IN_DIR].name, "%016llx.pop3idx", (unsigned long long)md->key);
}

/* A disk that is full is told of once in a while, not with every session. */
static void tell_homeless(const struct maildrop *md, const struct why *why)
{
	static uint64_t told_ms;
	uint64_t now_ms = clock_ms();

	if (told_ms != 0 && now_ms - told_ms < TELL_MS)
		return;
	told_ms = now_ms;
	log_line(LOG_NOTICE, "no index is kept of %.200s: %.200s", md->path, why->text);
}

/* Puts it in the first place that takes it, and says which; PLACES: none does. A mailbox that is not there needs none. */
static int put_index(const struct maildrop *md, const struct scan *now, int64_t taken_ns,
		     struct index_place place[PLACES], struct why *why)
{
	int p = md->driver->in_one_file && md->fd < 0 ? PLACES : 0;

	places_of(md, place);
	while (p < PLACES && (place[p].dir < 0 || index_write(&place[p], md->driver, now, taken_ns, why) != OK))
		p++;
	return p;
}

/* A listing without a place lives in memory. */
static enum err keep(struct maildrop *md, const struct scan *now, int64_t taken_ns, struct index_first *first,
		     struct why *why)
{
	struct index_place place[PLACES];
	struct why reason = {""};
	bool current;
	int fd;

	int p = put_index(md, now, taken_ns, place, &reason);

	if (p < PLACES && index_open(&md->index, &place[p], md->driver, now->stamp, first, &current, &reason) == OK)
		return OK;
	if (reason.text[0])
		tell_homeless(md, &reason);
	enum err err = index_memfd(&fd, md->driver, now, taken_ns, why);

	return err == OK ? index_adopt(&md->index, fd, md->driver, now->stamp, first, &current, why) : err;
}

enum err maildrop_lock(struct maildrop *md, struct why *why)
{
	struct stat named, locked;

	if (!md->name || md->fd < 0)
		return OK;
	enum err err = spool_init(&md->spool, md->parent, md->name, md->setup->lock.locker, why);

	if (err == OK)
		err = mailbox_lock_try(&md->lock, &md->setup->lock, &md->spool, md->fd, why);
	if (err != OK)
		return err;
	if (fstat(md->fd, &locked) == 0 && fstatat(md->parent, md->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    named.st_ino == locked.st_ino && named.st_dev == locked.st_dev)
		return OK;
	mailbox_lock_release(&md->lock);
	return fail(why, ERR_IN_USE, "another program is putting another file in its place");
}

/* False: nothing was cleared, and the next session tries again. */
static bool undelete(const struct maildrop *md, const struct scan *now)
{
	struct why why = {""};
	struct event e;

	if (md->driver->unmark(md, now, &why) != OK) {
		log_line(LOG_NOTICE, "%.200s: deletion marks cannot be cleared: %.200s", md->path, why.text);
		return false;
	}
	event_new(&e, "undeleted");
	event_kv(&e, "maildrop", slice_str(md->path));
	event_u64(&e, "messages", now->marked);
	event_log(&e, LOG_INFO);
	return true;
}

/* Messages of it may have marks that are to be cleared. */
static bool has_marks(const struct maildrop *md, const struct index *ix)
{
	return md->setup->undelete && ix->marks != 1;
}

/* What the scan has read of stamps. */
static void decide_stamps(const struct maildrop *md, struct scan *s, bool known)
{
	uint32_t now = stamp_now();

	for (uint32_t i = 0; i < s->count; i++, scan_pass(i)) {
		if (!known && s->rec[i].flags & STAMP_READ && md->driver->came)
			stamp_came(&s->rec[i], md->driver->came(md, &s->rec[i], &s->entry[i]));
		stamp_decide(&s->rec[i], known, now);
	}
}

/* Where it is held for the whole session, it is there already, and stays. */
static enum err lock_begin(struct maildrop *md, struct why *why)
{
	return md->lock.held ? OK : maildrop_lock(md, why);
}

static void lock_end(struct maildrop *md)
{
	if (!md->keeps)
		mailbox_lock_release(&md->lock);
}

/* mandatory-locking: of a mailbox in one file, its own lock; of all others, and of those that are not locked, the file that Mailutils makes. */
static enum err lock_keep(struct maildrop *md, struct why *why)
{
	const struct conf_locking *conf = md->setup->lock.conf;
	const struct dotlock_rules rules = {
		.pid_check = conf->pid_check, .expire_s = conf->expire_timeout.n, .heir = getppid()};
	enum err err = OK;

	md->keeps = true;
	if (md->driver->in_one_file)
		err = maildrop_lock(md, why);
	if (err == OK && (!md->driver->in_one_file || conf->type == LOCK_NULL))
		err = mailutils_lock_take(&md->by_path, md->setup->mailutils_dir, md->path, &rules, why);
	return err;
}

void maildrop_let_go(struct maildrop *md)
{
	md->keeps = false;
	mailbox_lock_release(&md->lock);
	mailutils_lock_release(&md->by_path, md->setup ? md->setup->mailutils_dir : -1, md->path);
}

void maildrop_touch(const struct maildrop *md)
{
	if (md->keeps && md->by_path.fd >= 0)
		(void)futimens(md->by_path.fd, NULL); /* or it is old: those who look at its number know */
	if (md->keeps && md->lock.dotlock && md->lock.file.fd >= 0)
		(void)futimens(md->lock.file.fd, NULL);
}

static enum err rescan(struct maildrop *md, struct scan *known, bool is_known, struct index_first *first,
		       struct why *why)
{
	struct scan now = {0};
	int64_t taken_ns = clock_wall_ns();
	enum err err = md->driver->scan(md, known, &now, why);

	if (err == OK && md->setup->undelete && now.marked > 0 && undelete(md, &now)) {
		/* Who has which UIDL is known, but not how the mail looks. */
		memset(known->stamp, 0, sizeof known->stamp);
		scan_done(&now);
		taken_ns = clock_wall_ns();
		err = md->driver->scan(md, known, &now, why);
	}
	decide_stamps(md, &now, is_known);
	if (err == OK)
		err = uidl_settle(md, &now, why);
	if (err == OK)
		err = keep(md, &now, taken_ns, first, why);
	scan_done(&now);
	return err;
}

/* The lock of a worker that was killed: not every deliverer sees that its process is gone, and with an index that is current nobody of
 * us would need it. Whoever opens the maildrop next takes it away; one that somebody holds is left alone: where that is a process that it
 * names, it may be a session of Mailutils, and is waited for; others are deliverers, which do not hold up reading. */
static enum err sweep_lock(struct maildrop *md, struct why *why)
{
	char lock[NAME_OCTETS + sizeof ".lock"];
	struct stat st;

	/* The external locker knows what its locks are worth, and a current index needs none. */
	if (!md->name || md->setup->lock.external || snprintf(lock, sizeof lock, "%s.lock", md->name) < 0 ||
	    fstatat(md->parent, lock, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return OK;
	enum err err = lock_begin(md, why);

	lock_end(md);
	return err == ERR_IN_USE && dotlock_process(md->parent, lock) > 0 ? err : OK;
}

/* A maildrop that only grew: the index that lies at `place` does, too. False: it must be scanned. */
static bool grow(struct maildrop *md, const struct index_place *place, const struct index *old,
		 struct index_first *first)
{
	int64_t taken_ns = clock_wall_ns();
	struct scan more = {0};
	bool grown = false, current;

	if (!md->driver->grow || md->driver->grow(md, old, &more, &grown, NULL) != OK)
		grown = false;
	decide_stamps(md, &more, true);
	grown = grown && !(md->setup->undelete && more.marked > 0) && uidl_settle_more(md, &more) &&
		index_append(place, old, md->driver, &more, taken_ns, NULL) == OK &&
		index_open(&md->index, place, md->driver, more.stamp, first, &current, NULL) == OK;
	scan_done(&more);
	return grown;
}

/* The maildrop may have changed since `old`, if there is one, was taken; it lies at `place`. */
static enum err catch_up(struct maildrop *md, const struct index_place *place, const struct index *old,
			 struct index_first *first, struct why *why)
{
	struct scan known = {0};

	if (old->fd >= 0 && !has_marks(md, old) && grow(md, place, old, first))
		return OK;
	bool is_known = old->fd >= 0 && !(md->setup->undelete && old->marks == 0) && /* no mark in it is known */
			index_load(old, &known, NULL) == OK;                         /* or nothing is known */
	enum err err = rescan(md, &known, is_known, first, why);

	scan_done(&known);
	return err;
}

static enum err open_indexed(struct maildrop *md, struct index_first *first, struct why *why)
{
	struct index_place place[PLACES];
	struct stamp stamp[STAMPS];
	struct index old = {.fd = -1};
	bool current = false;
	int at = 0;
	enum err err = md->driver->stamp(md, stamp, why);

	if (err != OK)
		return err;
	places_of(md, place);
	for (int p = 0; p < PLACES && old.fd < 0; p++)
		if (place[p].dir >= 0 &&
		    index_open(&old, &place[p], md->driver, stamp, first, &current, NULL) == OK) /* or none */
			at = p;
	current = current && !has_marks(md, &old);
	debug(TOPIC_MAILBOX, DEBUG_TRACE2, "%s: %s", md->path,
	      current       ? "the index is current"
	      : old.fd >= 0 ? "has changed since its index was taken: scanning"
			    : "has no index: scanning");
	if (current) {
		err = sweep_lock(md, why);
		if (err == OK)
			md->index = old;
		else
			index_close(&old);
		return err;
	}
	err = lock_begin(md, why);
	if (err == OK)
		err = catch_up(md, &place[at], &old, first, why);
	lock_end(md);
	index_close(&old);
	return err;
}

enum err maildrop_prepare(struct maildrop *md, struct why *why)
{
	enum err err = mailutils_lock_look(md->setup->mailutils_locks, md->path, why);

	if (err == OK && md->driver->in_one_file)
		err = maildrop_reopen(md, why);
	if (err == OK && md->driver->in_one_file && md->fd >= 0)
		err = replay_file(md->setup, md->fd, why);
	return err;
}

enum err maildrop_open(struct maildrop *md, struct index_first *first, struct why *why)
{
	errno = 0;
	enum err err = maildrop_prepare(md, why);

	if (err == OK && md->setup->mandatory)
		err = lock_keep(md, why);
	if (err == OK)
		err = open_indexed(md, first, why);
	if (err != OK)
		maildrop_let_go(md);
	maildrop_advise(err, why);
	return err;
}

static enum err scan_locked(struct maildrop *md, const struct scan *known, struct scan *now, struct why *why)
{
	enum err err = maildrop_lock(md, why);

	if (err == OK)
		err = md->driver->scan(md, known, now, why);
	if (err == OK)
		err = uidl_settle(md, now, why);
	mailbox_lock_release(&md->lock);
	return err;
}

enum err maildrop_scan(struct maildrop *md, struct scan *now, struct why *why)
{
	struct index_place place[PLACES];
	struct index_first *first = calloc(1, sizeof *first);
	struct scan known = {0};
	bool current;
	enum err err = first ? OK : fail(why, ERR_TEMP, "no memory");

	if (err == OK && md->driver->in_one_file)
		err = maildrop_reopen(md, why);
	if (err == OK && md->driver->in_one_file && md->fd >= 0)
		err = replay_file(md->setup, md->fd, why);
	if (err == OK)
		err = md->driver->stamp(md, now->stamp, why);
	places_of(md, place);
	for (int p = 0; err == OK && p < PLACES && known.count == 0; p++) {
		struct index old = {.fd = -1};

		if (place[p].dir >= 0 &&
		    index_open(&old, &place[p], md->driver, now->stamp, first, &current, NULL) == OK)
			(void)index_load(&old, &known, NULL); /* or nothing is known */
		index_close(&old);
	}
	if (err == OK)
		err = scan_locked(md, &known, now, why);
	scan_done(&known);
	free(first);
	return err;
}

/* The mail is not what the index says, and its stamps do not show it. */
void maildrop_forget(const struct maildrop *md)
{
	struct index_place place[PLACES];

	places_of(md, place);
	for (int p = 0; p < PLACES; p++)
		index_drop(&place[p]);
}

/* ---- messages ---- */

/* A process does one thing at a time. */
static struct index_window window;

/* Into the window. An index that was damaged under the session is not the next one's. */
static enum err read_window(const struct maildrop *md, uint32_t from, uint32_t n, struct why *why)
{
	enum err err = index_read(&md->index, from, n, &window, why);

	if (err != OK)
		maildrop_forget(md);
	return err;
}

enum whole { WHOLE, CUT, UNREADABLE };

static enum whole read_whole(const struct body *b, const struct listing_rec *r, char *p, size_t cap)
{
	uint32_t crc = 0;

	for (uint64_t done = 0; done < r->raw;) {
		size_t n = r->raw - done < cap ? (size_t)(r->raw - done) : cap;
		ssize_t got = pread(b->fd, p, n, (off_t)(b->at + done));

		if (got < 0)
			return UNREADABLE;
		if (got == 0)
			return CUT;
		crc = listing_crc(crc, (struct slice){p, (size_t)got});
		done += (uint64_t)got;
		if (r->raw <= cap)
			p += got;
	}
	return crc == r->crc ? WHOLE : CUT;
}

/* In a mailbox that is one file, messages have no names. */
static const char *name_of(const struct message *m)
{
	return m->name[0] ? m->name : "a message";
}

static enum err changed(const struct maildrop *md, const struct message *m, struct why *why)
{
	maildrop_forget(md);
	return fail(why, ERR_TEMP, "%s has been changed by another program", name_of(m));
}

static enum err append_message(const struct maildrop *md, uint32_t i, struct buf *out, struct why *why)
{
	struct message m;
	struct body b;

	index_message(&window, i, &m);
	enum err err = md->driver->body(md, &m, &b, why);

	if (err != OK)
		return err;
	enum whole whole = b.octets == m.rec.raw ? read_whole(&b, &m.rec, out->p + out->len, out->cap - out->len) : CUT;
	int error = errno;

	close(b.fd);
	if (whole == CUT)
		return changed(md, &m, why);
	errno = error;
	if (whole == UNREADABLE)
		return fail_errno(why, storage_err(errno), "read %s", name_of(&m));
	out->len += m.rec.raw;
	return OK;
}

/* How many messages of the window lie close together: one read gets them all. The first one always fits. */
static uint32_t neighbours(uint32_t n, size_t room, uint64_t octets, uint64_t span_most)
{
	const struct listing_rec *r = window.rec;
	uint64_t sum = r[0].raw, end = r[0].pos + r[0].raw;
	uint32_t k = 1;

	for (; k < n && r[k].pos >= end; k++) {
		sum += r[k].raw;
		end = r[k].pos + r[k].raw;
		if (sum > room || sum > octets || end - r[0].pos > span_most)
			break;
	}
	return k;
}

/* Of a maildrop in one file. Where the first message has moved, those behind it have mostly moved with it; checksums tell. */
static enum err append_messages(const struct maildrop *md, uint32_t n, uint32_t octets, struct buf *out,
				uint32_t *count, struct why *why)
{
	static char span[2 * BODY_INLINE];
	struct message m;
	struct body b;

	index_message(&window, window.from, &m);
	enum err err = md->driver->body(md, &m, &b, why);

	if (err != OK)
		return err;
	n = neighbours(n, out->cap - out->len, octets, sizeof span);
	const struct listing_rec *r = window.rec, *last = &r[n - 1];
	ssize_t got = pread(b.fd, span, last->pos + last->raw - r->pos, (off_t)b.at);

	if (got < 0)
		err = fail_errno(why, storage_err(errno), "read a message");
	close(b.fd);
	for (; err == OK && *count < n; ++*count, ++r) {
		struct slice text = {span + (r->pos - window.rec->pos), r->raw};

		if (r->pos - window.rec->pos + r->raw > (uint64_t)got || listing_crc(0, text) != r->crc)
			break;
		buf_put(out, text);
	}
	return err == OK && *count == 0 ? changed(md, &m, why) : err;
}

/* Its octets are looked at only where they may have changed: front compares the checksum, too. */
static enum err open_large(const struct maildrop *md, uint32_t i, struct body *b, struct why *why)
{
	static char piece[64 * 1024];
	struct message m;

	index_message(&window, i, &m);
	enum err err = md->driver->body(md, &m, b, why);

	if (err != OK)
		return err;
	enum whole whole = b->octets != m.rec.raw ? CUT : b->same ? WHOLE : read_whole(b, &m.rec, piece, sizeof piece);

	if (whole == WHOLE)
		return OK;
	err = whole == CUT ? changed(md, &m, why) : fail_errno(why, storage_err(errno), "read %s", name_of(&m));
	close(b->fd);
	b->fd = -1;
	return err;
}

enum err maildrop_fetch(struct maildrop *md, uint32_t msgno, uint32_t octets, struct buf *out, uint32_t *count,
			struct body *body, struct why *why)
{
	uint32_t first = msgno - 1;
	uint32_t n = md->index.count - first;
	size_t start = out->len;

	*count = 0;
	*body = (struct body){.fd = -1};
	if (octets == 0)
		n = 1;
	else if (n > INDEX_WINDOW)
		n = INDEX_WINDOW;
	enum err err = read_window(md, first, n, why);

	if (err == OK && (window.rec[0].raw > BODY_INLINE || window.rec[0].raw > out->cap - out->len))
		return open_large(md, first, body, why);
	if (err == OK && md->driver->in_one_file)
		return append_messages(md, n, octets, out, count, why);
	for (uint32_t k = 0; k < n && err == OK; k++) {
		uint64_t raw = window.rec[k].raw;

		if (k > 0 && (raw > out->cap - out->len || out->len - start + raw > octets))
			break;
		err = append_message(md, first + k, out, why);
		*count += err == OK;
	}
	return *count > 0 ? OK : err; /* what comes behind is asked for again */
}

static void stop_reading(struct maildrop *md)
{
	if (md->reading.fd >= 0)
		close(md->reading.fd);
	md->reading.fd = -1;
}

static enum err start_reading(struct maildrop *md, uint32_t msgno, struct why *why)
{
	struct message m;
	enum err err = read_window(md, msgno - 1, 1, why);

	stop_reading(md);
	if (err != OK)
		return err;
	index_message(&window, msgno - 1, &m);
	err = md->driver->body(md, &m, &md->reading, why);
	if (err == OK && md->reading.octets != m.rec.raw) {
		stop_reading(md);
		err = changed(md, &m, why);
	}
	md->reading_msgno = msgno;
	return err;
}

enum err maildrop_read(struct maildrop *md, uint32_t msgno, uint64_t at, uint32_t octets, struct buf *out, bool *within,
		       struct why *why)
{
	enum err err = OK;

	*within = true;
	if (md->reading.fd < 0 || md->reading_msgno != msgno)
		err = start_reading(md, msgno, why);
	if (err != OK)
		return err;
	*within = at <= md->reading.octets && octets <= md->reading.octets - at;
	for (uint32_t done = 0; *within && done < octets;) {
		ssize_t got =
			pread(md->reading.fd, out->p + out->len, octets - done, (off_t)(md->reading.at + at + done));

		if (got <= 0)
			return fail_errno(why, ERR_TEMP, "read message %u", msgno);
		out->len += (size_t)got;
		done += (uint32_t)got;
	}
	if (*within && at + octets == md->reading.octets)
		stop_reading(md);
	return OK;
}

/* ---- stamps ---- */

static bool writes_headers(const struct maildrop *md)
{
	return md->setup->stamps.header && md->setup->stamps.days != UINT32_MAX;
}

/* The index lies somewhere, or in memory: then nothing is marked. */
static int open_marks(const struct maildrop *md)
{
	struct index_place place[PLACES];
	int fd = -1;

	places_of(md, place);
	for (int p = 0; p < PLACES && fd < 0; p++)
		fd = index_writer(&md->index, &place[p]);
	return fd;
}

/* Without an index: for QUIT, if that is to write headers. */
static bool note_retrieved(struct maildrop *md, uint32_t i, uint32_t n)
{
	if (!writes_headers(md))
		return true;
	if (!md->retrieved)
		md->retrieved = calloc((size_t)md->index.count / 8 + 1, 1);
	for (; md->retrieved && n > 0; i++, n--) {
		struct message m;

		if (read_window(md, i, 1, NULL) != OK)
			return false;
		index_message(&window, i, &m);
		if (m.rec.stamp == 0)
			md->retrieved[i / 8] |= (uint8_t)(1 << i % 8);
	}
	return md->retrieved != NULL;
}

void maildrop_retrieved(struct maildrop *md, uint32_t msgno, uint32_t n)
{
	struct why why = {"there is no index, and no memory"};
	bool done = false;

	if (md->retrieved_at == 0)
		md->retrieved_at = stamp_now();
	if (md->marks < 0)
		md->marks = open_marks(md);
	if (md->marks >= 0)
		done = index_mark(&md->index, md->marks, msgno - 1, n, md->retrieved_at, &why) == OK;
	else
		done = note_retrieved(md, msgno - 1, n);
	if (!done)
		debug(TOPIC_MAILBOX, DEBUG_ERROR, "%s: %s", md->path, why.text);
}

uint64_t maildrop_due(const struct maildrop *md)
{
	const struct stamp_setup *setup = &md->setup->stamps;

	return writes_headers(md) && md->index.unwritten ? 0 : stamp_ends(setup, md->index.oldest);
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
		*err = read_window(md, i, walk->n, why);
	}
	if (*err == OK)
		index_message(&window, i, m);
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
static void tell_unstamped(const struct maildrop *md, const struct outcome *out)
{
	static uint64_t told_ms;
	uint64_t now_ms = clock_ms();

	if (out->unstamped == 0 || (told_ms != 0 && now_ms - told_ms < TELL_MS))
		return;
	told_ms = now_ms;
	log_line(LOG_NOTICE, "%.200s: when %u messages were retrieved is in the index alone: %.200s", md->path,
		 out->unstamped, out->unstamped_why.text);
}

/* Under the mailbox lock. What the driver knows of the mail that is left becomes the next index; where that fails, it is scanned. */
static enum err commit_locked(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why)
{
	static struct uidl_marks marks; /* a process does one thing at a time */
	struct index_place place[PLACES];
	struct scan left = {0};
	int64_t taken_ns = clock_wall_ns();

	bool deletes = out->failed > 0;

	if (deletes)
		uidl_marks_make(&marks, md, ch);
	enum err err = md->driver->commit(md, ch, out, &left, why);

	decide_stamps(md, &left, true);
	if (deletes)
		uidl_marks_end(&marks, err == OK && out->failed == 0);
	tell_unstamped(md, out);
	if (left.count > 0 && uidl_settle(md, &left, NULL) == OK)
		(void)put_index(md, &left, taken_ns, place, NULL);
	else if (ch->stamped && md->marks >= 0)
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
	if (!set)
		set = md->retrieved = calloc((size_t)md->index.count / 8 + 1, 1);
	if (set && index_stamped(&md->index, UINT32_MAX, STAMP_HEADER, set, &n, NULL) != OK)
		return NULL;
	return set;
}

enum err maildrop_commit(struct maildrop *md, const struct changes *marked, struct outcome *out, struct why *why)
{
	struct changes changes = *marked, *ch = &changes;
	enum err err = OK;

	ch->stamped = find_unwritten(md);
	ch->stamp = md->retrieved_at > 0 ? md->retrieved_at : stamp_now();
	*out = (struct outcome){.failed = changes_count(ch)};
	stop_reading(md);
	if (out->failed == 0 && !ch->stamped)
		return OK;
	if (md->driver->in_one_file && !md->lock.held)
		err = maildrop_reopen(md, why);
	if (err == OK)
		err = lock_begin(md, why);
	if (err == OK)
		err = commit_locked(md, ch, out, why);
	if (err != OK && err != ERR_IN_USE && ch->stamped && md->marks >= 0)
		index_tried(&md->index, md->marks);
	maildrop_unlock(md, err);
	maildrop_let_go(md); /* behind it the session ends, and its client hears of it */
	return err;
}
