/* backend/load.h - a module from its shared object: found by the run path of the program, checked, opened
 *
 * The library that it is made with comes along, and stays. So this is done in a process that is meant for it: a backend, the one
 * that master starts to try it, popctl. */
#pragma once
#include "backend/backend.h"
#include "conf/backends.h"

struct log_setup;

struct backend_loaded {
	const struct backend *module;
	void *priv; /* of its open() */
	void *object;
};

/* The sentence of an error says what is missing, and which package to install. */
enum err backend_load(struct backend_loaded *b, const struct conf_backend *what, const struct conf *cf,
		      struct why *why);

/* It has logging functions of its own, which write as these of the program do. */
void backend_log(const struct backend_loaded *b, const struct log_setup *setup);
void backend_log_session(const struct backend_loaded *b, uint64_t id);

void backend_unload(struct backend_loaded *b);
