/* auth/grants.c - see grants.h */
#include "auth/grants.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/granted.h"

struct grants_worker {
	struct grants_worker *next; /* of the same hash */
	struct grants *all;
	struct chan chan;
	uint32_t uid, gid, slot;
	bool mute; /* it takes nothing any more; its channel is about to close */
	struct granted granted;
};

static struct grants_worker **owner_of(struct grants *g, uint32_t uid, uint32_t gid)
{
	uint64_t h = (((uint64_t)gid << 32) | uid) * UINT64_C(0x9E3779B97F4A7C15);

	return &g->owner[h >> 54];
}
_Static_assert(GRANTS_OWNERS == 1 << (64 - 54), "owner_of takes as many bits as there are lists");

/* Milliseconds since when it is busy; 0: it waits for work. */
static uint64_t busy_ms(const struct grants *g, const struct grants_worker *w, uint64_t now)
{
	uint64_t since = g->slots ? atomic_load_explicit(&g->slots[w->slot].busy_since_ms, memory_order_relaxed) : 0;

	if (since == 0)
		return 0;
	return since < now ? now - since : 1;
}

static uint32_t sessions(const struct grants *g, const struct grants_worker *w)
{
	return g->slots ? atomic_load_explicit(&g->slots[w->slot].sessions, memory_order_relaxed) : 0;
}

struct load {
	uint64_t busy_ms;
	uint32_t sessions;
};

static bool is_lighter(struct load a, struct load b)
{
	if ((a.busy_ms == 0) != (b.busy_ms == 0))
		return a.busy_ms == 0;
	return a.busy_ms == 0 ? a.sessions < b.sessions : a.busy_ms < b.busy_ms;
}

static struct grants_worker *worker_choose(struct grants *g, uint32_t uid, uint32_t gid)
{
	struct grants_worker *best = NULL;
	struct load least = {0};
	uint64_t now = clock_ms();

	for (struct grants_worker *w = *owner_of(g, uid, gid); w; w = w->next) {
		struct load load = {busy_ms(g, w, now), sessions(g, w)};

		if (w->uid != uid || w->gid != gid || w->mute || load.busy_ms > GRANTS_BUSY_MS)
			continue;
		if (!best || is_lighter(load, least)) {
			best = w;
			least = load;
		}
	}
	return best;
}

bool grants_send(struct grants *g, const struct msg_grant *grant, const struct slice bulk[3])
{
	struct chan_out out = {.payload = grant, .bulk = {bulk[0], bulk[1], bulk[2]}};
	struct grants_worker *w;

	while ((w = worker_choose(g, grant->uid, grant->gid))) {
		w->mute = !chan_send(&w->chan, MSG_GRANT, &out);
		if (w->mute)
			continue;
		granted_note(&w->granted, grant->sid, grant->reservation);
		return true;
	}
	return chan_send(g->master, MSG_GRANT, &out);
}

static void worker_end(struct grants_worker *w, bool tell)
{
	struct grants *g = w->all;
	struct grants_worker **at = owner_of(g, w->uid, w->gid);

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	chan_done(&w->chan);
	if (tell)
		granted_lost(&w->granted, g->lost, g->arg);
	free(w);
}

static void on_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_WARNING, "auth: channel to store %u closed: %s", (unsigned)c->peer_serial, reason);
	worker_end(c->owner, true);
}

/* It never says anything; a message is an error, its end an event. */
static const struct chan_ops store_ops = {.closed = on_closed};

enum err grants_peer(struct grants *g, const struct msg_peer *peer, int fd, struct why *why)
{
	struct grants_worker *w = peer->slot < STORES_MOST ? calloc(1, sizeof *w) : NULL;
	struct grants_worker **owner = owner_of(g, peer->uid, peer->gid);

	if (!w)
		return fail(why, ERR_TEMP, "no memory for a channel to store, or no slot %u", (unsigned)peer->slot);
	*w = (struct grants_worker){.next = *owner, .all = g, .uid = peer->uid, .gid = peer->gid, .slot = peer->slot};
	*owner = w;
	chan_init(&w->chan, g->loop, fd, ROLE_AUTH, ROLE_STORE, peer->serial, &store_ops, w);
	return OK;
}

static struct grants_worker *worker_find(const struct grants *g, uint32_t serial)
{
	for (size_t i = 0; i < GRANTS_OWNERS; i++)
		for (struct grants_worker *w = g->owner[i]; w; w = w->next)
			if (w->chan.peer_serial == serial)
				return w;
	return NULL;
}

/* What was sent arrives before the end of the channel; only what still waits here would be lost. */
void grants_forget(struct grants *g, uint32_t serial)
{
	struct grants_worker *w = worker_find(g, serial);

	if (w)
		worker_end(w, chan_queued(&w->chan) > 0);
}

void grants_close(struct grants *g)
{
	for (size_t i = 0; i < GRANTS_OWNERS; i++)
		for (struct grants_worker *w = g->owner[i], *next; w; w = next) {
			next = w->next;
			chan_done(&w->chan);
			free(w);
		}
}
