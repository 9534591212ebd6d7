/* master/revive.h - the configuration in force gets another master, where the one that it had has died
 *
 * What made it die may do so again, so the pause before each try grows. Clients that come meanwhile wait in the sockets. */
#pragma once
#include "master/keeper.h"

void revive_init(struct keeper *k);

/* Nobody serves new clients, and nothing that is under way will: another master is started, at once or after a pause. */
void revive_later(struct keeper *k);

/* It serves. */
void revived(struct keeper *k);
