/* auth/counts.h - for whoever asks (SIGUSR1): what the auth workers have counted, as lines of the log */
#pragma once
#include "auth/cache.h"
#include "auth/penalty.h"

/* auth-cache: lookups, and how many of them were answered (right, wrong; hit-percent of all); entries kept and displaced. Nothing where
 * the cache is off. */
void counts_tell_cache(const struct cache *c);

/* auth-penalties: what enum penalty_stat counts, over all configurations. Nothing where nothing is counted. */
void counts_tell_penalties(const struct penalties *p);
