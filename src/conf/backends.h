/* conf/backends.h - which modules of the configuration live in processes of their own, and what they need
 *
 * A module is in use where a chain of the configuration names it; the default chains name all of them, and then only those
 * are in use whose block is there. LDAP that is switched off is in no chain. What checks tokens (oauth) is in none either: it is in
 * use where its block is there, and AUTH. */
#pragma once
#include "conf/conf.h"

enum { CONF_BACKENDS_MOST = 8 };

struct conf_backend {
	const char *module;                /* as the chains name it */
	const char *kind;                  /* of sql: its interface; NULL: there is but one */
	const char *object;                /* file of the module (backend/backend.h) */
	const char *package, *dev_package; /* of Debian, with the library that it needs, and with what it is built of */
};

/* Those in use, always in the same order; their number. Where the interface of sql is missing, its object is NULL. */
size_t conf_backends(const struct conf *cf, const struct conf_backend *out[static CONF_BACKENDS_MOST]);

/* The place in that list; false: it is not in use. */
bool conf_backend_find(const struct conf *cf, const char *module, unsigned *out);

/* "FILE:LINE: " of the statement that asks for it, or "". Cut when too long. */
const char *conf_backend_place(const struct conf *cf, const char *module, char *dst, size_t cap);

/* The module can find users. */
bool conf_module_finds(const char *module);

/* Answers of its check() may be kept in the cache. */
bool conf_backend_cached(const struct conf *cf, const char *module);

/* Calls `fn` for each value of the module's block that is an absolute path. */
void conf_backend_paths(const struct conf *cf, const char *module, void (*fn)(void *arg, const char *path), void *arg);
