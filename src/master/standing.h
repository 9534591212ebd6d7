/* master/standing.h - the rules of Landlock that are the same for all workers of store, made once
 *
 * For workers that this process forks. They hold to the letter what each would make for itself: the directories at the top
 * but the system's, and those that the configuration names. So they can be used where directories of an owner (his index, ...) lie
 * beneath one of these anyway; elsewhere each worker makes its own rules. */
#pragma once
#include "master/confine.h"

/* `common` as for a worker, but with the directories above those of owners. Its texts stay the caller's, and must stay. */
enum err standing_make(const struct confinement *common, struct why *why);

/* Before a fork: makes them anew where what they name may be something else by now: a directory came, something was mounted.
 * After an error there are none. */
enum err standing_refresh(struct why *why);

/* In what was forked, for landlock_enforce; fd -1: there are none, or they have become old since the fork. */
struct landlock standing_rules(void);
