/* master/prepare.h - what must be there before the roles can be started, from the configuration */
#pragma once
#include "master/master.h"

/* Tells which statements may not do what was meant. */
void notices_tell(const struct conf *cf);

/* Finds the users of the roles, reads certificates, opens the directories, raises limits. EX_OK, or the status to exit with and why. */
int prepare(struct master *m, struct why *why);

/* Of it, the first: who we are, and who the roles will be. */
enum err prepare_users(struct master *m, struct why *why);
