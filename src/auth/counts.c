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
