/* master/journals.h - which owners have journals, of changes that were interrupted (store/journal.h) */
#pragma once
#include <dirent.h>
#include <stdbool.h>

#include "master/privs.h"

struct master;

/* The directory `name` in `at`, to be read; NULL: there is none. */
DIR *journals_list(int at, const char *name);

/* Whether this is the name of an owner's directory with a journal in it; *owner says whose. */
bool journals_of_name(const struct master *m, const char *name, struct identity *owner);

/* Whether this owner has one; *owner gets the group of his directory. */
bool journals_of_owner(const struct master *m, struct identity *owner);
