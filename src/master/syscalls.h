/* master/syscalls.h - which system calls a role may make
 *
 * A list of what is allowed, per role, with the arguments where they matter; all else fails with EPERM. Why it
 * fails and does not kill: a call that is not made does no more harm than one by a dead process, and where a new C library
 * or a rare path asks for a call that nobody thought of, one request fails instead of all sessions of a front.
 * For access it is a list of what is refused: no list of ours holds what an administrator's program may need. */
#pragma once
#include "base/why.h"
#include "ipc/catalogue.h"

/* For this process, for good. Needs no_new_privs. */
enum err syscalls_restrict(enum role role, struct why *why);

/* The same for the nursery: what store may, and what it takes to fork its workers and to make them what they are. Their own filter comes behind this
 * one, which they keep. */
enum err syscalls_restrict_nursery(struct why *why);

/* Makes the filter of store's workers once, for those that this process forks from here on: they are started often. */
enum err syscalls_prepare(struct why *why);
