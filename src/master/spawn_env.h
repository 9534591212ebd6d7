/* master/spawn_env.h - what a new process is given for its role: shared pages, descriptors, directories */
#pragma once
#include "master/master.h"

struct role_env;

/* In the new process, before it is confined. Texts in it are this process's, and stay. */
enum err spawn_env_fill(const struct child *c, struct role_env *env, struct why *why);

/* The directories above those of owners; NULL where there is none. Texts are this process's. */
void spawn_dirs_above(const struct master *m, const char **cache, const char **journal, const char **uidl);
