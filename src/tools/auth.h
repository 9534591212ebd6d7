/* tools/auth.h - popctl auth test: what its two files share; auth.c asks, auth_say.c says what came of it */
#pragma once
#include <stddef.h>

#include "auth/checking.h"

/* Both are told once for each module of a chain. `ms' below 0: it was not asked. `why' may hold what a server said. */
void say_chain(const char *title);
void say_module(const char *name, const char *answer, int64_t ms, const char *why);

/* Of a search. */
const char *say_found(enum err err);

/* All of it but what a password is compared with. */
void say_record(const struct record *r);

/* What a client would hear. */
void say_client(enum err err, const char *more);
