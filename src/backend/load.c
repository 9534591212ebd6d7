/* backend/load.c - see load.h */
#include "backend/load.h"

#include <dlfcn.h>
#include <string.h>

#include "base/log.h"

static enum err object_open(struct backend_loaded *b, const struct conf_backend *what, struct why *why)
{
	b->object = dlopen(what->object, RTLD_NOW | RTLD_LOCAL);
	if (b->object)
		return OK;
	const char *error = dlerror();

	/* "FILE: cannot open ...", where FILE is what is missing: the module, or a library that it needs */
	if (strncmp(error, what->object, strlen(what->object)) == 0)
		return fail(why, ERR_PERM,
			    "%s; it is built where Debian's %s is installed, goes to the directory of modules with "
			    "\"make install\", and needs the package %s",
			    error, what->dev_package, what->package);
	return fail(why, ERR_PERM, "%s: %s; install the package %s", what->object, error, what->package);
}

static enum err module_check(struct backend_loaded *b, const struct conf_backend *what, struct why *why)
{
	b->module = dlsym(b->object, "backend_module");
	if (!b->module || b->module->version != BACKEND_VERSION || strcmp(b->module->name, what->module) != 0)
		return fail(why, ERR_PERM, "%s is not module %s of this version: install both from one build",
			    what->object, what->module);
	return OK;
}

enum err backend_load(struct backend_loaded *b, const struct conf_backend *what, const struct conf *cf, struct why *why)
{
	*b = (struct backend_loaded){0};
	if (!what->object)
		return fail(why, ERR_PERM, "sql.interface: it says which kind of server is asked, and is missing");
	enum err err = object_open(b, what, why);

	if (err == OK)
		err = module_check(b, what, why);
	if (err != OK)
		return err;
	backend_log(b, log_current());
	return b->module->open ? b->module->open(cf, &b->priv, why) : OK;
}

void backend_log(const struct backend_loaded *b, const struct log_setup *setup)
{
	void (*log)(const struct log_setup *);

	*(void **)&log = dlsym(b->object, "log_setup"); /* as dlopen(3) has it */
	if (log && log != log_setup)
		log(setup);
}

void backend_log_session(const struct backend_loaded *b, uint64_t id)
{
	void (*log)(uint64_t);

	*(void **)&log = dlsym(b->object, "log_session");
	if (log && log != log_session)
		log(id);
}

void backend_unload(struct backend_loaded *b)
{
	if (b->module && b->module->close)
		b->module->close(b->priv);
	*b = (struct backend_loaded){0}; /* the object stays: libraries do not like to go */
}
