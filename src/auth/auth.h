/* auth/auth.h - who may log in: the processes `auth` and `hash`
 *
 * auth looks users up through a chain of modules (chain.h), asks the cache whether this password was right or wrong a
 * moment ago (cache.h), else has a hash process compute crypt(3) (hashers.h), and sends a grant to a store worker
 * of the record's owner (grants.h) or a denial to front. It never hashes and never waits for anybody, so that a login
 * that the cache knows does not queue behind one that it does not.
 *
 * hash is given a password and a hash, one at a time, and says whether they belong together.
 *
 * What each needs from the system once it runs (auth_main, hash_main), beyond its channels, the loop (epoll, eventfd,
 * timerfd), clocks, getrandom, the log's descriptor, and memory (brk, mmap and munmap of anonymous memory,
 * mremap, madvise):
 *	auth	openat for reading of conf->virtdomain_dir and of files in it, newfstatat, pread64, close. No other path.
 *	hash	nothing. */
#pragma once
#include "base/why.h"
#include "conf/conf.h"

/* Whether the chains of the configuration can be served: every name is known, and none that is named
 * explicitly is a module that this version does not have. For master, before it starts anybody. */
enum err auth_check_chain(const struct conf *cf, struct why *why);
