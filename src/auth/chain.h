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

/* Opens the modules of both chains that this version has. On failure nothing is left open. */
enum err chain_open(struct chain *c, const struct conf *cf, struct why *why);
void chain_close(struct chain *c);

/* OK: *r is the user's. ERR_AUTH: nobody knows the user. Else a module was in trouble and no other knows the user;
 * a temporary trouble outweighs what later modules say. */
enum err chain_lookup(const struct chain *c, const struct query *q, struct record *r, struct why *why);

/* Who checks this record; NULL: nobody may, and the login fails like one with a wrong password. */
const struct auth_module *chain_checker(const struct chain *c, const struct record *r);

/* NULL: this version has no module with this name. Aliases are resolved by the configuration. */
const struct auth_module *auth_module_find(struct slice name);
