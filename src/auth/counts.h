/* auth/counts.h - for whoever asks (SIGUSR1): what the auth workers have counted, as lines of the log */
#pragma once
#include "auth/cache.h"

/* auth-cache: lookups, and how many of them were answered (right, wrong; hit-percent of all); entries kept and displaced. Nothing where
 * the cache is off. */
void counts_tell_cache(const struct cache *c);
