/* master/keytab.h - the file of keys for GSSAPI, looked at before anybody is served
 *
 * By a process that is who we are, and ends then: so master never has keys. What it finds wrong is told, with the place of the statement and what
 * helps. Whether auth may read the file, too, auth says itself when it starts. */
#pragma once
#include "conf/conf.h"

/* A status to exit with. */
int keytab_lint(const struct conf *cf);
