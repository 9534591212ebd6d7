/* auth/mod_system.h - system users from directories of one's own: what the module does in /etc, for tests
 *
 * etc has nsswitch.conf, passwd and shadow; extra (NULL: none) has passwd and shadow of the source `extrausers'. */
#pragma once
#include "auth/module.h"

enum err system_open_at(const struct conf *cf, const char *etc, const char *extra, void **priv, struct why *why);
