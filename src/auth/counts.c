/* auth/counts.c - see counts.h */
#include "auth/counts.h"

#include "base/log.h"

void counts_tell_cache(const struct cache *c)
{
	uint64_t right = cache_count(c, CACHE_RIGHT), wrong = cache_count(c, CACHE_WRONG);
	uint64_t lookups = right + wrong + cache_count(c, CACHE_UNKNOWN);
	struct event e;

	if (c->nbuckets == 0)
		return;
	event_new(&e, "auth-cache");
	event_u64(&e, "lookups", lookups);
	event_u64(&e, "right", right);
	event_u64(&e, "wrong", wrong);
	event_u64(&e, "hit-percent", lookups > 0 ? (right + wrong) * 100 / lookups : 0);
	event_u64(&e, "kept", cache_count(c, CACHE_KEPT));
	event_u64(&e, "displaced", cache_count(c, CACHE_DISPLACED));
	event_log(&e, LOG_INFO);
}

void counts_tell_penalties(const struct penalties *p)
{
	static const char *const names[PENALTY_STATS] = {
		[PENALTY_STAT_FAILURES] = "failures", [PENALTY_STAT_REPEATED] = "repeated",
		[PENALTY_STAT_DELAYED] = "delayed",   [PENALTY_STAT_REFUSED] = "refused",
		[PENALTY_STAT_LOCKOUTS] = "lockouts", [PENALTY_STAT_LOCKED] = "locked",
	};
	struct event e;

	if (!p->head)
		return;
	event_new(&e, "auth-penalties");
	for (unsigned i = 0; i < PENALTY_STATS; i++)
		event_u64(&e, names[i], penalties_stat(p, (enum penalty_stat)i));
	event_log(&e, LOG_INFO);
}
