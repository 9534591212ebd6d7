/* master/parked.c - see parked.h */
#include "master/parked.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"
#include "master/grant.h"

struct parked {
	struct parked *next; /* of its list */
	struct identity owner;
	uint32_t slot, worker; /* of the worker that has asked: its place, its serial; 0: none has (parked_add) */
	int lock_fd;           /* owned */
	struct msg_park park;
	char text[]; /* its bulk */
};

static struct parked **at(struct parkeds *p, uint64_t sid)
{
	struct parked **here = &p->list[sid * UINT64_C(0x9E3779B97F4A7C15) >> 54];

	while (*here && (*here)->park.sid != sid)
		here = &(*here)->next;
	return here;
}
_Static_assert(PARKED_LISTS == 1 << (64 - 54), "at() takes as many bits as there are lists");

static void forget(struct master *m, struct parked **here)
{
	struct parked *p = *here;
	struct child *c = &m->pool[ROLE_STORE].child[p->slot];

	if (c->serial == p->worker)
		c->parks = false;
	*here = p->next;
	m->parkeds.n--;
	close(p->lock_fd);
	free(p);
}

/* Others may have the maildrop. The worker may still have the same open file, so closing it is not enough. */
static void release(struct master *m, struct parked **here)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)(*here)->park.key, .l_len = 1};

	(void)fcntl((*here)->lock_fd, F_OFD_SETLK, &all); /* cannot fail */
	forget(m, here);
}

/* Each has a descriptor; the other half is for workers. */
static bool has_room(const struct parkeds *p)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 && p->n < files.rlim_cur / 2;
}

/* Owns lock_fd, but where it says NULL: no memory or descriptors, or there is one with this id. */
static struct parked *put(struct master *m, struct identity owner, const struct msg_park *park, struct slice text,
			  int lock_fd)
{
	struct parked **here = at(&m->parkeds, park->sid);
	struct parked *p = *here || !has_room(&m->parkeds) ? NULL : malloc(sizeof *p + text.n);

	if (!p)
		return NULL;
	*p = (struct parked){.owner = owner, .lock_fd = lock_fd, .park = *park};
	memcpy(p->text, text.p, text.n);
	*here = p;
	m->parkeds.n++;
	return p;
}

/* NULL: no memory, or it is not to be kept. */
static struct parked *keep(struct child *c, struct msg *msg)
{
	struct master *m = c->master;
	const struct msg_park *q = msg->payload;
	bool may = !c->parks && !m->stopping && paths_is_session_file(&m->paths, c->owner.uid, msg->fds[0]);
	struct parked *p = may ? put(m, c->owner, q, msg->bulk, msg->fds[0]) : NULL;

	if (!p)
		return NULL;
	(void)msg_take_fd(msg, 0);
	p->slot = c->slot;
	p->worker = c->serial;
	c->parks = true;
	return p;
}

bool parked_add(struct master *m, struct identity owner, const struct msg_park *park, struct slice text, int lock_fd)
{
	return put(m, owner, park, text, lock_fd) != NULL;
}

bool parked_begun(struct master *m, const struct msg_begun *how)
{
	struct parked **here = at(&m->parkeds, how->sid);

	if (!*here)
		return false;
	struct msg_park *park = &(*here)->park;

	park->count = how->count;
	park->octets = how->octets;
	park->sum = how->sum;
	if (how->how != BEGUN_TAKEN)
		release(m, here);
	return true;
}

enum err on_park(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *c = ch->owner;
	const struct msg_park *q = msg->payload;
	struct child *front = front_find(c->master, sid_front(q->sid));
	struct msg_parked parked = {.sid = q->sid, .worker = c->serial, .requests = q->requests};

	if (msg->bulk.n != (size_t)q->name_len + q->mailbox_len)
		return fail(why, ERR_PERM, "a session with lengths that do not add up");
	if (!front)
		return OK; /* it will see so itself */
	parked.kept = keep(c, msg) != NULL;
	(void)chan_send(&front->chan, MSG_PARKED, &(struct chan_out){.payload = &parked});
	return OK;
}

/* To a worker, with which it goes on. */
static void wake(struct master *m, struct parked **here)
{
	const struct parked *p = *here;
	struct chan_out out = {.payload = &p->park,
			       .bulk = {{p->text, (size_t)p->park.name_len + p->park.mailbox_len}},
			       .fds = {p->lock_fd},
			       .nfds = 1};

	if (worker_wake(m, p->owner, &out))
		forget(m, here);
	else
		release(m, here);
}

/* Comes from the least trusted process, and is about its own sessions alone. One that is not kept has been denied, or goes on. */
enum err on_wake(struct chan *ch, struct msg *msg, struct why *why)
{
	struct child *front = ch->owner;
	struct master *m = front->master;
	const struct msg_wake *q = msg->payload;
	struct parked **here = at(&m->parkeds, q->sid);

	if (sid_front(q->sid) != front->serial || q->how >= WAKE_WAYS)
		return fail(why, ERR_PERM, "it wakes a session of another front, or in a way that nobody knows");
	if (!*here)
		return OK;
	if (q->how == WAKE_STAYS) {
		forget(m, here);
	} else if (q->how == WAKE_OVER && (q->taken == 0 || (*here)->park.marks == 0)) {
		release(m, here);
	} else {
		(*here)->park.over = q->how == WAKE_OVER;
		(*here)->park.taken = q->taken;
		wake(m, here);
	}
	return OK;
}

void parked_front_ended(struct master *m, uint32_t front)
{
	for (size_t i = 0; i < PARKED_LISTS; i++)
		for (struct parked **here = &m->parkeds.list[i]; *here;)
			if (sid_front((*here)->park.sid) == front)
				release(m, here);
			else
				here = &(*here)->next;
}
