/* dbm/dbm.c - see dbm.h: names, the table of schemes, and what holds for all drivers */
#include "dbm/dbm.h"

#include <dlfcn.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/safety.h"
#include "dbm/driver.h"

/* Modules are found by the run path of the program, which is the directory that they are installed in. */
static const struct scheme {
	const char *name;
	const struct dbm_driver *driver; /* NULL: in a module, or not at all */
	const char *module, *packages;
	const char *convert; /* how to get the records out */
} schemes[] = {
	{"gdbm", &dbm_gdbm, NULL, NULL, NULL},
	{"lmdb", &dbm_lmdb, NULL, NULL, NULL},
	{"text", &dbm_text, NULL, NULL, NULL},
	{"bdb", NULL, "mod_bdb.so",
	 "it is built where Debian's libdb-dev is installed, goes to the directory of modules with \"make install\", "
	 "and needs "
	 "libdb5.3",
	 NULL},
	{"kc", NULL, NULL, NULL, "kchashmgr list -pv FILE"},
	{"tc", NULL, NULL, NULL, "tchmgr list -pv FILE"},
	{"ndbm", NULL, NULL, NULL, "Mailutils' dbm --list, or perl -MNDBM_File"},
};

/* --- names ------------------------------------------------------------------------------------------------------ */

static enum err module_load(const struct scheme *s, const struct dbm_driver **out, struct why *why)
{
	static void *module; /* it stays. There is one */

	if (!module)
		module = dlopen(s->module, RTLD_NOW | RTLD_LOCAL);
	*out = module ? dlsym(module, "dbm_module") : NULL;
	return *out ? OK : fail(why, ERR_PERM, "%s: module %s", s->packages, dlerror());
}

static enum err scheme_driver(struct slice name, const struct dbm_driver **out, struct why *why)
{
	const struct scheme *s = NULL;

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (slice_eq(name, slice_str(schemes[i].name)))
			s = &schemes[i];
	if (s && s->driver) {
		*out = s->driver;
		return OK;
	}
	if (s && s->module)
		return module_load(s, out, why);
	return fail(why, ERR_PERM,
		    "%.*s: databases of this kind are not read. Write the records as lines `KEY VALUE'%s%s, load them "
		    "into a new "
		    "one with popauth --create, and name that",
		    (int)(name.n < 32 ? name.n : 32), name.p, s ? " with " : "", s ? s->convert : "");
}

static enum err owner_find(struct slice text, uid_t *out, struct why *why)
{
	char name[64];
	uint32_t uid;
	const struct passwd *pw;

	if (slice_u32(text, &uid)) {
		*out = uid;
		return OK;
	}
	pw = slice_cstr(text, name, sizeof name) ? getpwnam(name) : NULL;
	if (!pw)
		return fail(why, ERR_PERM, "no such user: %.*s", (int)(text.n < 64 ? text.n : 64), text.p);
	*out = pw->pw_uid;
	return OK;
}

/* A check behind a name. The first one decides whether it begins with those that hold anyway, or with none. */
static enum err check_read(struct slice word, bool first, struct dbm_name *out, struct why *why)
{
	struct slice name = word;
	bool off = slice_starts(word, SLICE("-"));

	if (off || slice_starts(word, SLICE("+"))) {
		name = (struct slice){word.p + 1, word.n - 1};
	} else if (first) {
		out->checks = 0;
	}
	if (!slice_eq(name, SLICE("owner")) && !slice_starts(name, SLICE("owner=")))
		return safety_word(word, &out->checks, why);
	(void)slice_take(&name, '=');
	out->checks = off ? out->checks & ~(unsigned)CHECK_OWNER : out->checks | CHECK_OWNER;
	return name.n > 0 && !off ? owner_find(name, &out->owner, why) : OK;
}

/* Takes SCHEME: off the front; a path that happens to hold a colon has no slash behind it. */
static struct slice take_scheme(struct slice *rest)
{
	struct slice all = *rest, scheme = slice_take(rest, ':');

	if (scheme.n == all.n || slice_find(scheme, '/') < scheme.n || !slice_starts(*rest, SLICE("/"))) {
		*rest = all;
		return SLICE("gdbm");
	}
	return scheme;
}

enum err dbm_name_read(struct slice text, unsigned checks, uid_t owner, struct dbm_name *out, struct why *why)
{
	struct slice rest = text, scheme, path;
	enum err err = OK;

	*out = (struct dbm_name){.checks = checks, .owner = owner};
	scheme = take_scheme(&rest);
	path = slice_take(&rest, ';');
	if (slice_starts(path, SLICE("///")))
		path = (struct slice){path.p + 2, path.n - 2};
	if (path.n == 0 || slice_starts(path, SLICE("//")) || !slice_cstr(path, out->path, sizeof out->path))
		return fail(why, ERR_PERM, "%.*s: not a name of a database; expected /PATH or SCHEME:///PATH",
			    (int)(text.n < 100 ? text.n : 100), text.p);
	for (bool first = true; rest.n > 0 && err == OK; first = false)
		err = check_read(slice_take(&rest, ';'), first, out, why);
	return err == OK ? scheme_driver(scheme, &out->driver, why) : err;
}

const char *dbm_scheme(const struct dbm_name *name)
{
	return name->driver->scheme;
}

void dbm_schemes(char *dst, size_t cap)
{
	struct buf b = {.p = dst, .cap = cap - 1};

	for (const struct scheme *s = schemes; s < schemes + sizeof schemes / sizeof *schemes; s++) {
		const struct dbm_driver *driver = s->driver;

		if (!driver && (!s->module || module_load(s, &driver, NULL) != OK))
			continue;
		buf_str(&b, b.len > 0 ? " " : "");
		buf_str(&b, s->name);
	}
	dst[b.len] = '\0';
}

/* --- what holds for all ----------------------------------------------------------------------------------------- */

enum err dbm_open(struct dbm **out, const struct dbm_name *name, const struct dbm_how *how, struct why *why)
{
	struct dbm *db = calloc(1, sizeof *db);

	*out = NULL;
	if (!db)
		return fail(why, ERR_TEMP, "%s: no memory", name->path);
	db->driver = name->driver;
	db->name = *name;
	db->how = *how;
	enum err err = db->driver->open(db, why);

	if (err != OK) {
		free(db);
		return err;
	}
	*out = db;
	return OK;
}

static enum err may_write(const struct dbm *db, struct slice key, struct why *why)
{
	if (db->how.use == DBM_READ)
		return fail(why, ERR_PERM, "%s: opened for reading", db->name.path);
	if (!dbm_is_key(key))
		return fail(why, ERR_PERM, "%s: a key must be 1 to %d octets of text", db->name.path, DBM_KEY_MOST);
	return OK;
}

enum err dbm_get(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why)
{
	*found = false;
	return dbm_is_key(key) ? db->driver->get(db, key, value, found, why) : OK;
}

enum err dbm_put(struct dbm *db, struct slice key, struct slice value, struct why *why)
{
	enum err err = may_write(db, key, why);

	if (err == OK && !dbm_is_value(value))
		err = fail(why, ERR_PERM, "%s: a value must be text of at most %d octets", db->name.path,
			   DBM_VALUE_MOST);
	return err == OK ? db->driver->put(db, key, value, why) : err;
}

enum err dbm_delete(struct dbm *db, struct slice key, bool *found, struct why *why)
{
	enum err err = may_write(db, key, why);

	*found = false;
	return err == OK ? db->driver->del(db, key, found, why) : err;
}

enum err dbm_walk(struct dbm *db, enum err (*fn)(void *arg, struct slice key, struct slice value, struct why *why),
		  void *arg, uint64_t *passed_over, struct why *why)
{
	uint64_t unused = 0;

	passed_over = passed_over ? passed_over : &unused;
	*passed_over = 0;
	return db->driver->walk(db, fn, arg, passed_over, why);
}

enum err dbm_sync(struct dbm *db, struct why *why)
{
	return db->how.use != DBM_READ ? db->driver->sync(db, why) : OK;
}

void dbm_close(struct dbm *db)
{
	if (!db)
		return;
	db->driver->close(db);
	free(db);
}
