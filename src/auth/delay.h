/* auth/delay.h - the delay between two logins of a user
 *
 * login-delay of the configuration, but for clients with an address that is exempt; with login-delay-per-user what the user's record
 * says in its gecos field: parts between commas, one of them login-delay=TIME, as login(1) reads umask= and pri= there. chfn(1) of Debian
 * lets nobody but root write a part with =. */
#pragma once
#include "base/address.h"
#include "conf/conf.h"

/* Seconds; 0: none, and no record of the login is made. A part that is no time is told, and the configuration counts. */
uint32_t login_delay(const struct conf *cf, const struct address *client, struct slice gecos, const char *place);
