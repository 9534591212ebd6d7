/* master/opener.c - see opener.h */
#include "master/opener.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"
#include "master/grant.h"

static const double look_s = OPENER_PATIENCE_MS / 2000.0;

/* A login that the opener or a front is asked about. */
struct opening {
	struct opening *next;
	uint64_t job;
	uint64_t asked_ms;
	int lock_fd; /* owned; -1: it is with the session (parked.h), and a front is asked */
	struct msg_grant grant;
	char text[]; /* its bulk */
};

bool opener_is_wanted(const struct conf *cf)
{
	const struct conf_mailbox *mailbox = &cf->mailbox;
	bool indexed = !mailbox->index || strcmp(mailbox->index, "off") != 0;

	return cf->mode != MODE_INETD && indexed && mailbox->session_idle_worker.n > 0 && !mailbox->session_takeover &&
	       !cf->mandatory_locking.enable && !cf->bulletin_source;
}

static struct child *opener_of(const struct master *m)
{
	const struct pool *pool = &m->pool[ROLE_OPENER];
	struct child *c = pool->n > 0 ? &pool->child[0] : NULL;

	return c && child_runs(c) && c->ready ? c : NULL;
}

static struct opening *take(struct opening **at)
{
	struct opening *o = *at;

	*at = o->next;
	return o;
}

static void opening_free(struct opening *o)
{
	if (o->lock_fd >= 0)
		close(o->lock_fd);
	free(o);
}

static struct slice opening_bulk(const struct opening *o)
{
	const struct msg_grant *g = &o->grant;

	return (struct slice){o->text, (size_t)g->name_len + g->mailbox_len + g->home_len};
}

/* As if nobody had looked. The opener may have the open file, too, so closing it is not enough. */
static void leave_to_worker(struct master *m, struct opening *o)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (o->lock_fd >= 0)
		(void)fcntl(o->lock_fd, F_OFD_SETLK, &all); /* cannot fail */
	log_session(o->grant.log_id);
	grant_pass(m, &o->grant, opening_bulk(o));
	opening_free(o);
}

/* Those that the opener has had for so long. */
static void give_up(struct master *m, uint64_t patience_ms)
{
	uint64_t now = clock_ms();

	for (struct opening **at = &m->opener.list; *at;)
		if ((*at)->lock_fd >= 0 && now - (*at)->asked_ms >= patience_ms) {
			m->opener.slow = true;
			leave_to_worker(m, take(at));
		} else {
			at = &(*at)->next;
		}
	log_session(0);
}

static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;
	struct opener *op = &m->opener;
	const struct child *c = opener_of(m);

	(void)revents;
	give_up(m, OPENER_PATIENCE_MS);
	if (op->owed == 0) {
		ev_timer_stop(loop, w);
	} else if (c && clock_ms() - op->heard_ms >= OPENER_STUCK_MS) {
		child_kill(c, "it does not answer");
		op->heard_ms = clock_ms();
	}
}

static struct opening *opening_new(struct master *m, const struct msg_grant *g, struct slice bulk)
{
	struct opening *o = malloc(sizeof *o + bulk.n);
	struct why why;

	if (!o)
		return NULL;
	*o = (struct opening){.job = m->opener.job + 1, .asked_ms = clock_ms(), .grant = *g};
	memcpy(o->text, bulk.p, bulk.n);
	o->lock_fd = paths_session_file(&m->paths, g->uid, &why);
	if (o->lock_fd >= 0)
		return o;
	free(o); /* the worker tells why */
	return NULL;
}

static bool open_send(struct child *c, const struct opening *o)
{
	const struct msg_grant *g = &o->grant;
	const struct msg_open q = {.job = o->job,
				   .log_id = g->log_id,
				   .until_ms = o->asked_ms + OPENER_PATIENCE_MS,
				   .uid = g->uid,
				   .gid = g->gid};

	return chan_send(&c->chan, MSG_OPEN,
			 &(struct chan_out){.payload = &q,
					    .bulk = {{o->text + g->name_len, g->mailbox_len}},
					    .fds = {o->lock_fd},
					    .nfds = 1});
}

bool opener_ask(struct master *m, const struct msg_grant *g, struct slice bulk)
{
	struct opener *op = &m->opener;
	struct child *c = opener_of(m);

	if (!c || m->stopping || g->reservation > 0 || op->slow || op->owed >= OPENER_ASKED_MOST)
		return false;
	struct opening *o = opening_new(m, g, bulk);

	if (!o || !open_send(c, o)) {
		if (o)
			opening_free(o);
		return false;
	}
	o->next = op->list;
	op->list = o;
	op->job = o->job;
	if (op->owed++ > 0)
		return true;
	op->heard_ms = o->asked_ms;
	if (!ev_is_active(&op->patience)) {
		ev_timer_init(&op->patience, on_patience, look_s, look_s);
		op->patience.data = m;
		ev_timer_start(m->loop, &op->patience);
	}
	return true;
}

/* ---- what the opener has found ---- */

/* What a store worker would say of it (store/session_rest.c), but for the sums of its listing. */
static struct msg_park park_of(const struct master *m, const struct opening *o, uint64_t key)
{
	const struct conf *cf = m->cf;
	const struct msg_grant *g = &o->grant;

	return (struct msg_park){
		.sid = g->sid,
		.log_id = g->log_id,
		.key = key,
		.marks = cf->mailbox.update_flags || (cf->expire_days > 0 && cf->expire_days != UINT32_MAX),
		.name_len = g->name_len,
		.mailbox_len = g->mailbox_len,
	};
}

static void begin_send(struct child *front, const struct opening *o, const struct msg_opened *q, struct slice path,
		       int index_fd)
{
	const struct msg_grant *g = &o->grant;
	struct msg_begin b = {.sid = g->sid,
			      .look = q->look,
			      .login_delay_s = g->login_delay_s,
			      .uid = g->uid,
			      .name_len = g->name_len,
			      .path_len = (uint16_t)path.n};

	memcpy(b.source, g->source, sizeof b.source);
	(void)chan_send(&front->chan, MSG_BEGIN, /* one that ends needs none */
			&(struct chan_out){.payload = &b,
					   .bulk = {{o->text, g->name_len}, path},
					   .fds = {index_fd},
					   .nfds = index_fd >= 0});
}

/* False: it is as it was, and for a worker. */
static bool begin(struct master *m, struct opening *o, const struct msg *msg)
{
	const struct msg_opened *q = msg->payload;
	const struct msg_grant *g = &o->grant;
	struct child *front = front_find(m, sid_front(g->sid));
	const struct msg_park park = park_of(m, o, q->key);
	struct slice text = {o->text, (size_t)g->name_len + g->mailbox_len};

	if (!front || !parked_add(m, (struct identity){g->uid, g->gid}, &park, text, o->lock_fd))
		return false;
	o->lock_fd = -1;
	begin_send(front, o, q, msg->bulk, msg->nfds > 0 ? msg->fds[0] : -1);
	return true;
}

enum err on_opened(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct child *c = ch->owner;
	struct master *m = c->master;
	struct opener *op = &m->opener;
	const struct msg_opened *q = msg->payload;
	struct opening **at = &op->list;
	bool with_index = q->fits && q->look.kind != MAIL_NONE;

	if (op->owed == 0 || q->job == 0 || q->job > op->job || with_index != (msg->nfds > 0))
		return fail(why, ERR_PERM, "an answer that nobody has asked for");
	op->heard_ms = clock_ms();
	if (--op->owed == 0)
		op->slow = false;
	while (*at && ((*at)->job != q->job || (*at)->lock_fd < 0))
		at = &(*at)->next;
	if (!*at ||
	    (q->fits && begin(m, *at, msg))) /* or it is late, and what it had locked is unlocked (leave_to_worker) */
		return OK;
	leave_to_worker(m, take(at));
	return OK;
}

/* ---- what front says of it ---- */

enum err on_begun(struct chan *ch, struct msg *msg, struct why *why)
{
	const struct child *front = ch->owner;
	struct master *m = front->master;
	const struct msg_begun *q = msg->payload;
	struct opening **at = &m->opener.list;

	while (*at && ((*at)->grant.sid != q->sid || (*at)->lock_fd >= 0))
		at = &(*at)->next;
	if (sid_front(q->sid) != front->serial || q->how >= BEGUN_WAYS || !*at)
		return fail(why, ERR_PERM, "it begins a session that is not its own, or in a way that nobody knows");
	struct opening *o = take(at);

	if (parked_begun(m, q) && q->how == BEGUN_NOT)
		leave_to_worker(m, o);
	else
		opening_free(o);
	return OK;
}

/* ---- who ends ---- */

void opener_ended(struct master *m)
{
	m->opener.owed = 0;
	if (!m->stopping)
		give_up(m, 0);
	m->opener.slow = false;
}

void opener_front_ended(struct master *m, uint32_t front)
{
	for (struct opening **at = &m->opener.list; *at;)
		if (sid_front((*at)->grant.sid) == front && (*at)->lock_fd < 0)
			opening_free(take(at));
		else
			at = &(*at)->next;
}
