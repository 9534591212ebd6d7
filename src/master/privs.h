/* master/privs.h - who a process is: finding users, and dropping to them for good
 *
 * privs_drop is one straight function: every step is checked, and then read back from the kernel. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

struct identity {
	uid_t uid;
	gid_t gid;
};

/* Looks a user of our own up. The sentence for a missing one names the command that makes it. */
enum err identity_find(const char *user, struct identity *id, struct why *why);

/* False: there is no such group. */
bool group_find(const char *name, gid_t *gid);

struct privs {
	bool change;        /* to `id`; false (not started as root): stay who we are */
	struct identity id; /* no further groups ... */
	bool in_group;      /* ... but this one */
	gid_t group;
	uint64_t keep; /* capabilities that stay: bits 1 << CAP_...; only together with `change` */
};

/* No way back: ids, groups, capabilities (bounding, ambient and inheritable ones too), no_new_privs, not dumpable.
 * After an error the process is in between: it must end. */
enum err privs_drop(const struct privs *p, struct why *why);

/* Stays who we are, with no more than these capabilities of those we have, and no way to get others. The bounding set is empty then
 * for whoever is forked from here on, too. */
enum err privs_limit(uint64_t keep, struct why *why);
