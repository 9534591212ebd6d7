/* master/spool.h - where mailboxes lie, as `mail-spool' and `mailbox-pattern' say */
#pragma once
#include <limits.h>
#include <stdbool.h>

#include "conf/conf.h"

/* The directory that the mailbox pattern names before its first variable: "maildir:/srv/mail/${user}" gives
 * /srv/mail. False: it names none. */
bool pattern_dir(const struct conf_mailbox *m, char dir[static PATH_MAX]);

/* The spool, if there is one: mailboxes that are files of one directory, which is not their owners' but belongs to this group, which may
 * write there. */
bool spool_find(const struct conf *cf, gid_t group, char dir[static PATH_MAX]);
