/* auth/chain.h - the two chains of `auth { authorization ...; authentication ...; }`
 *
 * Authorization finds a user's record: the modules are asked in order, and the first that has one ends the search.
 * Authentication says who checks the password: the first module of that chain which may check this record, because it
 * made it or because the record names it. So the order of modules never lets one judge another's records. */
#pragma once
#include "auth/module.h"

enum { CHAIN_MOST = 16 }; /* there are fewer modules, and each counts once */

struct chain_link {
	const struct auth_module *module;
	void *priv;
};

struct chain {
	struct chain_link authorization[CHAIN_MOST];
	const struct auth_module *authentication[CHAIN_MOST];
	size_t nauthorization, nauthentication;
};

/* Opens the modules of both chains that are in use. On failure nothing is left open. */
enum err chain_open(struct chain *c, const struct conf *cf, struct why *why);
void chain_close(struct chain *c);

/* A search on its way along the authorization. */
struct walk {
	size_t at; /* of the next link */
	/* OK: somebody has the user. ERR_AUTH: nobody knows him, so far. Else a module was in trouble and no other knows the user: trouble outweighs
	 * "no such user", and a temporary one a lasting one, in whatever order they come. */
	enum err err;
	struct why why;
	/* Hears of each answer before the next module is asked; NULL: nobody does. */
	void (*noted)(void *arg, const struct auth_module *m, enum err err, const struct why *why);
	void *arg;
};
void walk_begin(struct walk *w, struct slice login);

/* Goes on until the user is found, or the chain is at its end: then r->source says whether; or until a module is next that
 * must be asked in another process: whoever asks it notes the answer, fills in *r, and goes on, where it was not found. */
enum walk_end { WALK_END, WALK_ASK };
enum walk_end chain_walk(const struct chain *c, struct walk *w, const struct query *q, struct record *r);
void walk_note(struct walk *w, const struct auth_module *m, enum err err, const struct why *why);

/* Who checks this record, and how: the first that may and has something to check it by. CHECK_NONE: it may, and nobody has.
 * NULL: nobody may. Then the login fails like one with a wrong password. */
const struct auth_module *chain_checker(const struct chain *c, const struct record *r, enum check *how);

/* Who may check this record, and whether he has something to do it by. */
bool chain_may_check(const struct auth_module *m, const struct record *r);
enum check chain_check_of(const struct auth_module *m, const struct record *r);

/* It is in the authentication. */
bool chain_checks(const struct chain *c, const struct auth_module *m);

/* NULL: this version has no module with this name. Aliases are resolved by the configuration. */
const struct auth_module *auth_module_find(struct slice name);
