/* master/databases.h - the files that state keeps users in: made where they are missing, and the one thing of the file system that it may
 * touch
 *
 * In the new process, before it is confined: a file that is missing is made as Mailutils would make it, root's and of group mail, which
 * may write it (0660), so that Mailutils can go on with it. None that is there is changed or read by root. State belongs to the group of
 * the files, and Landlock holds it to them, because with group mail alone it could read every spool; where the kernel has none, it is not
 * in that group, and the files must be its user's. */
#pragma once
#include "ipc/role.h"
#include "master/confine.h"
#include "master/master.h"

/* Fills in what state is given. A data base that cannot be used is no error: it is left out, and told. */
enum err databases_open(const struct master *m, struct role_env *env, struct why *why);

void databases_confine(const struct role_env *env, struct confinement *out);
