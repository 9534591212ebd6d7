/* front/opened.c - see opened.h */
#include "front/opened.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "front/commands.h"
#include "front/front.h"
#include "front/session.h"
#include "ipc/old_line.h"
#include "mail/index_head.h"

enum { DAY_S = 24 * 60 * 60 };

/* One is read at a time. */
static struct {
	struct index_first first;
	size_t got;
	struct stat st;
} read_in;

/* Its beginning, where that is at hand. */
static bool read_beginning(const struct file *file)
{
	ssize_t got = fstat(file->fd, &read_in.st) == 0
			      ? file_read(file, 0, (char *)&read_in.first, sizeof read_in.first)
			      : -1;

	read_in.got = got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* What store asks of an index (store/index.c), before it believes anything that stands there. */
static bool is_index(const struct mail_look *look, uint32_t uid)
{
	const struct index_head *h = &read_in.first.head;
	const struct stat *st = &read_in.st;
	const size_t rest = read_in.got - sizeof *h;

	return st->st_uid == uid && look->driver[sizeof look->driver - 1] == '\0' &&
	       index_head_is_ours(h, read_in.got, look->driver) && index_first_is_sane(&read_in.first, read_in.got) &&
	       (h->count > INDEX_INLINE || rest >= h->count * sizeof(struct listing_rec)) &&
	       index_end(h->count, h->block, h->room) <= (uint64_t)st->st_size &&
	       index_is_of_this_boot(st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec);
}

/* The maildrop is what it was when the index was made, and has nothing that is to be done at a login. */
static bool is_current(const struct mail_look *look, bool undelete)
{
	const struct index_head *h = &read_in.first.head;
	struct stamp want[STAMPS];

	memcpy(want, look->stamp, sizeof want);
	if (look->kind == MAIL_SAMPLED)
		want[1].dev = h->stamp[1].dev;
	for (int i = 0; i < STAMPS; i++)
		if (!index_is_calm(&h->stamp[i], h->taken_ns) || memcmp(&want[i], &h->stamp[i], sizeof want[i]) != 0)
			return false;
	return !undelete || h->marks == 1;
}

/* The index of a maildrop without a file, if it had one. */
static void read_none(void)
{
	read_in.first.head = (struct index_head){.flagged = 1};
}

static bool is_to_be_taken(const struct mail_look *look, const struct file *file, uint32_t uid, bool undelete)
{
	if (look->kind == MAIL_NONE) {
		read_none();
		return true;
	}
	return file->fd >= 0 && read_beginning(file) && is_index(look, uid) && is_current(look, undelete);
}

/* As maildrop_due in store. */
static uint64_t due(const struct conf *cf, const struct index_head *h)
{
	const bool ends = cf->expire_days != UINT32_MAX;

	if ((cf->mailbox.update_flags && h->flagged != 1) ||
	    (ends && cf->expire_mark == EXPIRE_HEADER && h->unwritten != 0))
		return 0;
	return ends && cf->delete_expired && h->oldest != 0 ? h->oldest + (uint64_t)cf->expire_days * DAY_S
							    : UINT64_MAX;
}

static void scan_fill(struct msg_scan *s, const struct msg_begin *q, const struct conf *cf)
{
	const struct index_head *h = &read_in.first.head;
	const struct listing_place records = index_records_at(h->block, h->room);

	*s = (struct msg_scan){.sid = q->sid,
			       .octets = h->octets,
			       .due = due(cf, h),
			       .records_at = records.at,
			       .block = records.block,
			       .block_octets = records.block_octets,
			       .count = h->count,
			       .rules = q->look.rules,
			       .login_delay_s = q->login_delay_s,
			       .uid = q->uid,
			       .name_len = q->name_len};
	memcpy(s->source, q->source, sizeof s->source);
}

/* As if a store worker had said so (on_scan of peers.c). *file goes to the session, where the listing is large. */
static void session_begin(struct session *s, const struct msg_begin *q, const char *name, struct file *file)
{
	static char bulk[NAME_MOST + sizeof read_in.first.rec];
	const struct index_head *h = &read_in.first.head;
	const bool small = h->count <= INDEX_INLINE;
	const size_t records = small ? h->count * sizeof(struct listing_rec) : 0;
	struct msg_scan scan;
	struct why why = {""};

	scan_fill(&scan, q, s->front->conf);
	memcpy(bulk, name, q->name_len);
	memcpy(bulk + q->name_len, read_in.first.rec, records);
	struct msg m = {.type = MSG_SCAN,
			.payload = &scan,
			.bulk = {bulk, q->name_len + records},
			.fds = {small ? -1 : file->fd},
			.nfds = small ? 0 : 1};

	(void)login_open(s, &m, &why); /* else it is denied, and master told */
	if (!small && m.fds[0] < 0)
		*file = FILE_ABSENT; /* it was taken */
}

static void old_opened(const struct msg_begin *q, const char *name)
{
	const uint32_t count = read_in.first.head.count;
	char text[16];
	struct buf number = BUF(text);

	buf_u64(&number, count);
	(void)old_line(count == 1 ? OLD_OPENED_ONE : OLD_OPENED,
		       OLD(((struct slice){name, q->name_len}), ((struct slice){name + q->name_len, q->path_len}),
			   buf_slice(&number)));
}

static void tell(struct front *f, uint64_t sid, enum begun_how how)
{
	const struct index_head *h = &read_in.first.head;
	struct msg_begun b = {.sid = sid, .how = how};

	if (how == BEGUN_TAKEN) {
		b.octets = h->octets;
		b.sum = h->sum;
		b.count = h->count;
	}
	(void)chan_send(&f->master, MSG_BEGUN, &(struct chan_out){.payload = &b}); /* who loses master ends */
}

enum err opened_on_begin(struct front *f, struct msg *m, struct why *why)
{
	const struct msg_begin *q = m->payload;
	struct session *s = sids_find(&f->peers.sids, q->sid);
	struct file file = FILE_ABSENT;

	if (q->name_len > NAME_MOST || (size_t)q->name_len + q->path_len != m->bulk.n)
		return fail(why, ERR_PERM, "a maildrop with lengths that do not add up");
	if (!s || s->wait != WAIT_LOGIN) {
		tell(f, q->sid, BEGUN_OVER);
		return OK;
	}
	log_session(s->log_id);
	if (m->nfds > 0)
		(void)file_open(&file, msg_take_fd(m, 0), NULL); /* or there is none that we may read */
	bool fits = is_to_be_taken(&q->look, &file, q->uid, f->conf->undelete);

	tell(f, q->sid, fits ? BEGUN_TAKEN : BEGUN_NOT);
	if (fits) {
		peers_part(s);
		s->parked = true;
		old_opened(q, m->bulk.p);
		session_begin(s, q, m->bulk.p, &file);
	}
	file_close(&file);
	if (fits)
		session_run(s);
	return OK;
}
