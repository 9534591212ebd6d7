/* conf/backends.c - see backends.h */
#include "conf/backends.h"

#include <string.h>

#include "conf/statements.h"

static const struct conf_backend backends[] = {
	{"pam", NULL, "mod_pam.so", "libpam0g", "libpam0g-dev"},
	{"sql", "postgres", "mod_sql_postgres.so", "libpq5", "libpq-dev"},
	{"sql", "mysql", "mod_sql_mysql.so", "libmariadb3", "libmariadb-dev"},
	{"sql", "odbc", "mod_sql_odbc.so", "libodbc2", "unixodbc-dev"},
	{"sql", "sqlite", "mod_sql_sqlite.so", "libsqlite3-0", "libsqlite3-dev"},
	{"sql", "", NULL, NULL, NULL}, /* which, nobody has said */
	{"radius", NULL, "mod_radius.so", "libssl3", "libssl-dev"},
	{"ldap", NULL, "mod_ldap.so", "libldap-2.5-0", "libldap-dev"},
	{"oauth", NULL, "mod_oauth.so", "libcurl4 and libjansson4", "libcurl4-openssl-dev and libjansson-dev"},
};

static bool is_in(const struct conf_list *chain, const char *module, bool configured)
{
	return (chain->given || configured) && conf_list_has(chain, module);
}

static bool is_used(const struct conf *cf, const char *module)
{
	const struct block *b = block_find("", module);
	bool configured = b && b->given && *((const bool *)((const char *)cf + b->given));

	if (strcmp(module, "oauth") == 0) /* it is in no chain: AUTH asks it */
		return cf->oauth.given && cf->gsasl.enable;
	if (strcmp(module, "ldap") == 0 && cf->ldap.given && !cf->ldap.enable)
		return false;
	return is_in(&cf->auth.authorization, module, configured) ||
	       is_in(&cf->auth.authentication, module, configured);
}

/* The word for the interface; "": none was given. */
static const char *sql_kind(const struct conf *cf)
{
	for (const struct word *w = statement_find("sql", "interface")->words->word; w->name; w++)
		if (cf->sql.interface != SQL_UNSET && w->value == (int)cf->sql.interface)
			return w->name;
	return "";
}

size_t conf_backends(const struct conf *cf, const struct conf_backend *out[static CONF_BACKENDS_MOST])
{
	size_t n = 0;

	for (const struct conf_backend *b = backends; b < backends + sizeof backends / sizeof *backends; b++)
		if (is_used(cf, b->module) && (!b->kind || strcmp(b->kind, sql_kind(cf)) == 0) &&
		    n < CONF_BACKENDS_MOST)
			out[n++] = b;
	return n;
}

bool conf_backend_find(const struct conf *cf, const char *module, unsigned *out)
{
	const struct conf_backend *list[CONF_BACKENDS_MOST];
	size_t n = conf_backends(cf, list);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i]->module, module) == 0) {
			*out = i;
			return true;
		}
	return false;
}

const char *conf_backend_place(const struct conf *cf, const char *module, char *dst, size_t cap)
{
	const struct conf_auth *a = &cf->auth;
	const struct conf_list *chain = a->authorization.given && conf_list_has(&a->authorization, module)
						? &a->authorization
						: &a->authentication;
	struct buf b = {.p = dst, .cap = cap - 1};

	if (chain->given && chain->file && conf_list_has(chain, module)) {
		buf_str(&b, chain->file);
		buf_char(&b, ':');
		buf_u64(&b, chain->line);
		buf_str(&b, ": ");
	}
	dst[b.len] = '\0';
	return dst;
}

bool conf_module_finds(const char *module)
{
	const struct module *m = module_find(slice_str(module));

	return m && m->authorization;
}

bool conf_backend_cached(const struct conf *cf, const char *module)
{
	const struct statement *st = statement_find(module, "cache");

	return st && st->kind == KIND_BOOL && *((const bool *)((const char *)cf + st->at));
}

static bool is_text(const struct statement *st)
{
	return st->kind == KIND_STRING || st->kind == KIND_PATH || st->kind == KIND_NAME;
}

void conf_backend_paths(const struct conf *cf, const char *module, void (*fn)(void *arg, const char *path), void *arg)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		const char *text = strcmp(st->group, module) == 0 && is_text(st)
					   ? *(const char *const *)((const char *)cf + st->at)
					   : NULL;

		if (text && text[0] == '/')
			fn(arg, text);
	}
}
