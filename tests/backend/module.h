/* tests/backend/module.h - a module as the program loads it: by its file, which lies in the directory MODULE_DIR
 *
 * With a configuration from a text, in a directory of the test's own (tests/conf/given.h). */
#pragma once
#include <dlfcn.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "conf/given.h"

struct loaded_module {
	void *library;
	const struct backend *b;
	struct loaded conf;
	void *priv;
	struct why why;
	enum err err; /* of open */
};

/* The library is not closed: sanitizers want to name its functions at the end. */
static inline struct loaded_module module_open(const char *name, const char *text)
{
	struct loaded_module m = {.conf = given_text(text)};
	char path[4096];

	check_row(0, m.conf.said, m.conf.status == 0);
	assert_true(snprintf(path, sizeof path, "%s/mod_%s.so", getenv("MODULE_DIR"), name) < (int)sizeof path);
	m.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	check_row(0, m.library ? path : dlerror(), m.library != NULL);
	m.b = dlsym(m.library, "backend_module");
	check(m.b && m.b->version == BACKEND_VERSION && strcmp(m.b->name, name) == 0);
	m.err = m.b->open(m.conf.cf, &m.priv, &m.why);
	return m;
}

static inline void module_close(struct loaded_module *m)
{
	if (m->err == OK)
		m->b->close(m->priv);
	given_free(&m->conf);
}

/* (In brackets: check is a macro of tests.) */
static inline enum err module_check(struct loaded_module *m, const struct backend_ask *ask, struct why *why)
{
	return (m->b->check)(m->priv, ask, why);
}

static inline struct backend_ask module_ask(const char *user, const char *password)
{
	return (struct backend_ask){.login = slice_str(user),
				    .name = slice_str(user),
				    .password = slice_str(password),
				    .client = SLICE("192.0.2.7"),
				    .deadline_ms = clock_ms() + 5000};
}
