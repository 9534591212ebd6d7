/* store/kept.c - see kept.h */
#include "store/kept.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/maildrop_parts.h"

enum { DESCRIPTORS_MOST = 3 }; /* of a maildrop */

struct slot {
	struct maildrop md;
	uint64_t used_ms;
};

/* One table in a process. */
static struct {
	struct ev_loop *loop; /* NULL: nothing is kept */
	ev_timer sweep;
	unsigned sets;                           /* in use */
	struct slot *slot[KEPT_SETS][KEPT_WAYS]; /* NULL: free */
	unsigned count;
} kept;

static const double sweep_s = 15; /* between two looks for what is idle */

static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	kept_sweep(KEPT_IDLE_MS);
}

/* All of them have at most half of the descriptors. */
static unsigned sets_most(void)
{
	struct rlimit files;
	unsigned sets = KEPT_SETS;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	while (sets > 1 && sets * KEPT_WAYS * DESCRIPTORS_MOST > files.rlim_cur / 2)
		sets /= 2;
	return sets;
}

void kept_begin(struct ev_loop *loop)
{
	kept.sets = sets_most();
	kept.loop = loop;
	ev_init(&kept.sweep, on_sweep);
	kept.sweep.repeat = sweep_s;
}

static struct slot **set_of(struct slice url)
{
	return kept.slot[listing_crc(0, url) % kept.sets];
}

static void let_go(struct slot **at)
{
	maildrop_drop(&(*at)->md);
	free(*at);
	*at = NULL;
	kept.count--;
}

/* NULL: it is not there. */
static struct slot **find(struct slice url, const struct maildrop_setup *setup)
{
	struct slot **at = set_of(url);

	for (int i = 0; i < KEPT_WAYS; i++)
		if (at[i] && at[i]->md.setup == setup && slice_eq(slice_str(at[i]->md.url), url))
			return &at[i];
	return NULL;
}

bool kept_take(struct maildrop *md, struct slice url, const struct maildrop_setup *setup)
{
	struct slot **at = kept.count > 0 ? find(url, setup) : NULL;

	if (at && !maildrop_is_in_place(&(*at)->md)) {
		let_go(at);
		at = NULL;
	}
	if (!at)
		return false;
	*md = (*at)->md;
	md->warm = true;
	free(*at);
	*at = NULL;
	kept.count--;
	return true;
}

/* The place for one more: its own, a free one, or that of the one that was used longest ago. */
static struct slot **place_for(const struct maildrop *md)
{
	struct slot **at = find(slice_str(md->url), md->setup), **set = set_of(slice_str(md->url));

	for (int i = 0; i < KEPT_WAYS && !at; i++)
		if (!set[i])
			at = &set[i];
	if (at)
		return at;
	at = set;
	for (int i = 1; i < KEPT_WAYS; i++)
		if (set[i]->used_ms < (*at)->used_ms)
			at = &set[i];
	return at;
}

bool kept_put(struct maildrop *md)
{
	struct slot *s = kept.loop && md->url ? malloc(sizeof *s) : NULL;

	if (!s)
		return false;
	struct slot **at = place_for(md);

	if (*at)
		let_go(at);
	*s = (struct slot){.md = *md, .used_ms = clock_ms()};
	*at = s;
	if (kept.count++ == 0)
		ev_timer_again(kept.loop, &kept.sweep);
	md->fd = md->parent = md->index.fd = -1;
	md->path = md->url = md->name = NULL;
	md->records = NULL;
	md->warm = md->keepable = false;
	return true;
}

void kept_sweep(uint64_t idle_ms)
{
	uint64_t now_ms = clock_ms();

	for (int i = 0; i < KEPT_SETS; i++)
		for (int k = 0; k < KEPT_WAYS; k++)
			if (kept.slot[i][k] && now_ms - kept.slot[i][k]->used_ms >= idle_ms)
				let_go(&kept.slot[i][k]);
	if (kept.loop && kept.count == 0)
		ev_timer_stop(kept.loop, &kept.sweep);
}

unsigned kept_count(void)
{
	return kept.count;
}
