/* store/bulletin.c - see bulletin.h */
#include "store/bulletin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/old_line.h"
#include "store/delivery.h"
#include "store/popbull.h"
#include "store/uidl_settle.h"

enum { TELL_MS = 60 * 1000 };

void bulletins_init(struct bulletins *b, const struct conf *cf, const struct maildrop_setup *setup)
{
	b->new_user = cf->bulletin_new_user.which;
	b->since = cf->bulletin_new_user.since;
	bulletin_source_init(&b->source, cf->bulletin_source, setup);
}

/* ---- what is wrong ---- */

/* The same thing once in a while, not with every session. */
static void tell(struct bulletins *b, int severity, const char *text)
{
	uint32_t what = listing_crc(0, slice_str(text));
	uint64_t now_ms = clock_ms();

	if (b->told_ms != 0 && what == b->told && now_ms - b->told_ms < TELL_MS)
		return;
	b->told_ms = now_ms;
	b->told = what;
	log_line(severity, "%s", text);
}

void bulletins_tell(struct bulletins *b, const struct maildrop *md, const struct why *why)
{
	char text[768];

	(void)snprintf(text, sizeof text, "no bulletins for %.300s now: %.250s", md->path, why->text);
	tell(b, LOG_NOTICE, text);
}

static void tell_source(struct bulletins *b, enum err err, const struct why *why)
{
	char text[768];

	(void)snprintf(text, sizeof text, "cannot open bulletin mailbox `%.300s': %.250s", b->source.url, why->text);
	tell(b, err == ERR_IN_USE ? LOG_NOTICE : LOG_ERR, text);
}

/* ---- what this process remembers ---- */

/* The data base does not say so: state, or the machine, has died before that was written. */
static void repeat_number(const struct bulletin_user *u, uint64_t number)
{
	if (u->db && (!u->db_known || u->db_number < number))
		u->db_advance(u->arg, number);
}

static bool is_complete(const struct bulletins *b, const struct maildrop *md, const struct bulletin_user *u)
{
	size_t i = md->key % BULLETINS_REMEMBERED;

	if (b->complete[i].key != md->key || b->complete[i].sum != b->source.sum)
		return false;
	repeat_number(u, b->complete[i].number);
	return true;
}

static void set_complete(struct bulletins *b, const struct maildrop *md, uint64_t number)
{
	size_t i = md->key % BULLETINS_REMEMBERED;

	b->complete[i].key = md->key;
	b->complete[i].sum = b->source.sum;
	b->complete[i].number = number;
}

/* ---- a maildrop that may lack some ---- */

struct bringing {
	struct bulletins *b;
	struct maildrop *md;
	const struct bulletin_user *u;
	struct uidl_place place;
	char path[PATH_MAX]; /* what it points to */
	struct bulletin_reading from;
	struct bulletin_record record;
	struct due due;
	bool known;      /* somebody has a number: */
	uint64_t number; /* this one */
	uint32_t *which; /* bulletins that it gets */
	uint32_t count;
	uint32_t upto;    /* all before this place in the source it has, or gets */
	bool interrupted; /* an earlier delivery did not come to its end */
};

static enum err no_memory(struct why *why)
{
	return fail(why, ERR_TEMP, "no memory to deliver bulletins");
}

/* One that is damaged is kept for people; the number says then what has been delivered. */
static enum err read_record(struct bringing *g, struct why *why)
{
	bool unknown;
	enum err err = bulletin_record_read(&g->record, &g->place, &unknown, why);
	struct uidl_place at = g->place, aside = g->place;
	char end[32];

	if (err != ERR_PERM || unknown)
		return err;
	uidl_place_called(&at, ".bulletins");
	(void)snprintf(end, sizeof end, ".aside-%" PRId64, clock_wall_ns() / 1000000000);
	uidl_place_called(&aside, end);
	if (renameat(at.dir, at.name, aside.dir, aside.name) < 0)
		return fail_errno(why, ERR_TEMP, "rename the damaged record of bulletins");
	log_line(LOG_ERR, "%.200s: %.200s; it is called %.200s now", g->md->path, why->text, aside.name);
	return OK;
}

/* What the record says counts; so what has been brought is in it before what is due goes. */
static enum err end_due(struct bringing *g, uint64_t sum, struct why *why)
{
	g->record.sum = sum;
	enum err err = bulletin_record_write(&g->record, &g->place, why);

	if (err != OK)
		return err;
	if (g->due.fd >= 0 && g->md->driver->end_delivery)
		g->md->driver->end_delivery(g->md, &g->due);
	if (g->due.fd >= 0)
		due_remove(&g->due);
	return OK;
}

/* An earlier delivery: what of it is there is in the record then. */
static enum err find_due(struct bringing *g, struct why *why)
{
	due_init(&g->due, &g->place);
	enum err err = due_read(&g->due, why);

	if (err != OK || g->due.fd < 0)
		return err;
	g->interrupted = true;
	bool *in = calloc((size_t)g->due.end.count + 1, sizeof *in);

	if (!in)
		return no_memory(why);
	if (g->due.end.done)
		memset(in, 1, g->due.end.count * sizeof *in);
	else
		err = g->md->driver->find_delivered(g->md, &g->due, in, why);
	for (uint32_t i = 0; err == OK && i < g->due.end.count; i++)
		if (in[i] && !bulletin_record_add(&g->record, g->due.row[i].id))
			err = no_memory(why);
	free(in);
	return err;
}

/* ---- numbers ---- */

/* False: somebody has one, but what he has is none. */
static bool find_number(struct bringing *g, struct why *why)
{
	const struct bulletin_user *u = g->u;
	enum popbull found = POPBULL_NONE;

	g->known = u->db && u->db_known;
	g->number = u->db_number;
	if (!g->known)
		found = popbull_read(u->home, &g->number, why);
	g->known = g->known || found == POPBULL_KNOWN;
	return found != POPBULL_WRONG;
}

/* For other programs. Where it cannot be written, they deliver again; we do not. */
static void set_number(struct bringing *g, uint64_t number)
{
	const struct bulletin_user *u = g->u;
	struct why why = {""};

	if (g->known && g->number == number && (u->db_known || !u->db))
		return;
	if (u->db)
		u->db_advance(u->arg, number);
	else if (popbull_write(u->home, number, &why) != OK) {
		struct why all;

		(void)fail(&all, ERR_TEMP, "its number cannot be written to %.100s/.popbull: %.100s", u->home,
			   why.text);
		bulletins_tell(g->b, g->md, &all);
	}
}

/* ---- which it gets ---- */

static bool is_old(const struct bringing *g, uint32_t i)
{
	int64_t seconds;

	if (g->b->new_user == BULLETINS_SINCE)
		return bulletin_date(&g->from, i, &seconds) && seconds < g->b->since;
	return g->b->new_user == BULLETINS_NONE;
}

/* By the number, or for a new user: these count as received. */
static enum err count_received(struct bringing *g, struct why *why)
{
	const struct bulletin_record *r = &g->record;
	uint64_t most = r->number > r->seen ? r->number : r->seen;
	bool new = !r->there && !g->known, by_number = g->known && (!r->there || (g->number > most && !g->interrupted));

	for (uint32_t i = 0; i < g->from.scan.count; i++)
		if ((by_number && i < g->number) || (new &&is_old(g, i)))
			if (!bulletin_record_add(&g->record, g->from.id[i]))
				return no_memory(why);
	return OK;
}

/* One that is being written at this moment comes later. */
static enum err choose(struct bringing *g, struct why *why)
{
	uint32_t n = g->from.scan.count;

	g->which = calloc((size_t)n + 1, sizeof *g->which);
	g->upto = n;
	if (!g->which)
		return no_memory(why);
	for (uint32_t i = 0; i < n; i++) {
		if (bulletin_record_has(&g->record, g->from.id[i]))
			continue;
		if (g->b->source.calm || bulletin_is_whole(&g->from, i))
			g->which[g->count++] = i;
		else if (g->upto == n)
			g->upto = i;
	}
	return OK;
}

static void log_numbers(const struct bringing *g)
{
	char last[24], total[24];
	struct buf l = BUF(last), t = BUF(total);

	buf_u64(&l, g->known ? g->number : 0);
	buf_u64(&t, g->from.scan.count);
	if (!old_line(OLD_BULLETINS, OLD(g->u->name, buf_slice(&l), buf_slice(&t))))
		debug(TOPIC_MAILBOX, DEBUG_TRACE1, "%s: last bulletin %.*s, total bulletins %.*s", g->md->path,
		      (int)l.len, last, (int)t.len, total);
}

static void log_delivered(const struct bringing *g)
{
	char text[24];
	struct buf n = BUF(text);
	struct event e;

	buf_u64(&n, g->count);
	if (old_line(g->count == 1 ? OLD_BULLETIN_ONE : OLD_BULLETINS_PENDING, OLD(g->u->name, buf_slice(&n))))
		return;
	event_new(&e, "bulletins");
	event_kv(&e, "user", g->u->name);
	event_kv(&e, "maildrop", slice_str(g->md->path));
	event_u64(&e, "delivered", g->count);
	event_u64(&e, "number", g->upto);
	event_log(&e, LOG_INFO);
}

/* ---- bringing them ---- */

static enum err put_all(struct bringing *g, struct why *why)
{
	const struct delivery d = {.from = &g->from, .which = g->which, .count = g->count, .due = &g->due};
	enum err err = g->md->driver->deliver(g->md, &d, why);

	if (err != OK)
		return err;
	(void)due_set_done(&g->due, NULL); /* without it, they are looked for, should we die now */
	for (uint32_t k = 0; k < g->count; k++)
		if (!bulletin_record_add(&g->record, g->from.id[g->which[k]]))
			return no_memory(why);
	log_delivered(g);
	return OK;
}

/* A number is set where bulletins were brought, or where nobody had one; it is not lowered without need. */
static enum err settle(struct bringing *g, struct why *why)
{
	bool all = g->upto == g->from.scan.count;
	uint64_t number = g->count > 0 || g->interrupted || !g->known ? g->upto : g->number;

	set_number(g, number);
	g->record.seen = g->known ? g->number : 0;
	g->record.number = number;
	enum err err = end_due(g, all ? g->b->source.sum : 0, why);

	if (err == OK && all)
		set_complete(g->b, g->md, number);
	return err;
}

static enum err bring_locked(struct bringing *g, struct why *why)
{
	enum err err = read_record(g, why);
	bool fresh;

	if (err == OK)
		err = find_due(g, why);
	if (err != OK)
		return err;
	if (!find_number(g, why) && !g->record.there) {
		struct why what = *why;

		return fail(why, ERR_PERM, "%.100s/.popbull: %.100s", g->u->home, what.text);
	}
	fresh = !g->record.there;
	err = count_received(g, why);
	if (err == OK)
		err = choose(g, why);
	if (err != OK)
		return err;
	log_numbers(g);
	if (g->interrupted) { /* to its end, before another one begins */
		err = end_due(g, 0, why);
		g->record.there = err == OK;
	}
	if (err == OK && g->count > 0)
		err = put_all(g, why);
	if (err != OK)
		return err;
	if (g->count == 0 && !fresh && !g->interrupted && g->upto < g->from.scan.count)
		return OK; /* what comes is not there yet */
	return settle(g, why);
}

/* A mailbox that is not there is an empty one, until something comes. */
static enum err make_file(struct maildrop *md, struct why *why)
{
	if (!md->driver->in_one_file || md->fd >= 0)
		return OK;
	int fd = openat(md->parent, md->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "create the mailbox");
	int dir = openat(md->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fsync(fd) == 0 && dir >= 0 && fsync(dir) == 0;

	if (dir >= 0)
		close(dir);
	md->fd = fd;
	return synced ? OK : fail_errno(why, storage_err(errno), "create the mailbox");
}

static enum err bring_open(struct bringing *g, struct why *why)
{
	enum err err = maildrop_prepare(g->md, why);

	if (err == OK)
		err = make_file(g->md, why);
	if (err == OK)
		err = maildrop_lock(g->md, why);
	if (err != OK)
		return err;
	err = bring_locked(g, why);
	due_done(&g->due);
	maildrop_unlock(g->md, err);
	bulletin_record_done(&g->record);
	free(g->which);
	return err;
}

static bool is_due(const struct uidl_place *place)
{
	struct due d;

	due_init(&d, place);
	return faccessat(d.place.dir, d.place.name, F_OK, 0) == 0;
}

/* The record, by one small read, says that there is nothing. */
static bool has_all(struct bringing *g)
{
	struct bulletin_record head;

	bulletin_record_head(&head, &g->place);
	if (!head.there || head.sum != g->b->source.sum || is_due(&g->place))
		return false;
	repeat_number(g->u, head.number);
	set_complete(g->b, g->md, head.number);
	return true;
}

enum err bulletins_bring(struct bulletins *b, struct maildrop *md, const struct bulletin_user *u, struct why *why)
{
	static struct bringing bringing; /* a process does one thing at a time */
	struct bringing *g = &bringing;

	if (!b->source.url)
		return OK;
	enum err err = bulletin_source_look(&b->source, why);

	if (err != OK) {
		tell_source(b, err, why);
		return OK;
	}
	if (is_complete(b, md, u))
		return OK;
	*g = (struct bringing){.b = b, .md = md, .u = u, .due = {.fd = -1}};
	if (md->setup->uidl_dir < 0)
		err = fail(why, ERR_PERM, "there is no directory for records of them");
	if (err == OK)
		err = uidl_place_of(md, g->path, &g->place, why);
	if (err == OK && has_all(g))
		return OK;
	if (err == OK && bulletin_source_open(&b->source, &g->from, why) != OK) {
		tell_source(b, ERR_TEMP, why);
		return OK;
	}
	if (err == OK) {
		err = bring_open(g, why);
		bulletin_source_close(&g->from);
	}
	if (err != OK && err != ERR_IN_USE)
		bulletins_tell(b, md, why);
	return err == ERR_IN_USE ? err : OK;
}
