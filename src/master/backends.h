/* master/backends.h - processes of modules that ask others for users (backend/backend.h): how many, whom they serve, what they may
 *
 * Each serves one auth worker alone where there are enough of them, so that a question never waits behind another worker's while a
 * process has nothing to do. */
#pragma once
#include "conf/backends.h"
#include "ipc/role.h"
#include "master/confine.h"
#include "master/master.h"

/* Processes of all modules in use. */
unsigned backends_count(const struct conf *cf);

/* Says what each place of the pool is for. */
void backends_settle(struct master *m);

/* Two of which one is an auth worker and the other a backend: they talk to each other. For other roles: true. */
bool backends_meet(const struct child *a, const struct child *b);

/* Tries each module in a process of its own, with the rights that it will have: its library is there, and its configuration makes sense. */
enum err backends_check(const struct master *m, struct why *why);

/* Ends a backend that auth waits for in vain: one that is stopped, say, does not see its own timer. Another one takes its place. */
enum err backends_on_stuck(struct chan *c, struct msg *m, struct why *why);

/* Who the process becomes, and what it may reach. */
void backends_confine(const struct master *m, const char *module, struct confinement *out);
