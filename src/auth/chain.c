/* auth/chain.c - see chain.h */
#include "auth/chain.h"

#include "base/debug.h"

static const struct auth_module generic = {.name = "generic", .check = CHECK_HASH};

/* Which further names the configuration may use, and that the daemon does not start with one of them, is said by the
 * table of modules in conf/statements.c. */
static const struct auth_module *const modules[] = {&generic, &auth_system, &auth_virtdomain, NULL};

const struct auth_module *auth_module_find(struct slice name)
{
	const struct auth_module *const *m = modules;

	while (*m && !slice_eq(name, slice_str((*m)->name)))
		m++;
	return *m;
}

/* --- which modules the configuration asks for ------------------------------------------------------------------- */

static bool has_link(const struct chain *c, const struct auth_module *m)
{
	for (size_t i = 0; i < c->nauthorization; i++)
		if (c->authorization[i].module == m)
			return true;
	return false;
}

static bool has_checker(const struct chain *c, const struct auth_module *m)
{
	for (size_t i = 0; i < c->nauthentication; i++)
		if (c->authentication[i] == m)
			return true;
	return false;
}

/* A module that can only do the other job is left out, as is (in a chain that nobody configured) one that this
 * version does not have; one that is named twice counts once. */
static enum err add_lookup(struct chain *c, const struct auth_module *m, const struct conf *cf, struct why *why)
{
	void *priv = NULL;

	if (!m || !m->lookup || has_link(c, m) || c->nauthorization == CHAIN_MOST)
		return OK;
	enum err err = m->open ? m->open(cf, &priv, why) : OK;

	if (err == OK)
		c->authorization[c->nauthorization++] = (struct chain_link){m, priv};
	return err;
}

static void add_checker(struct chain *c, const struct auth_module *m)
{
	if (m && m->check != CHECK_NONE && !has_checker(c, m) && c->nauthentication < CHAIN_MOST)
		c->authentication[c->nauthentication++] = m;
}

enum err chain_open(struct chain *c, const struct conf *cf, struct why *why)
{
	const struct conf_list *find = &cf->auth.authorization, *check = &cf->auth.authentication;

	*c = (struct chain){0};
	for (size_t i = 0; i < find->n; i++) {
		enum err err = add_lookup(c, auth_module_find(slice_str(find->item[i])), cf, why);

		if (err != OK) {
			chain_close(c);
			return err;
		}
	}
	for (size_t i = 0; i < check->n; i++)
		add_checker(c, auth_module_find(slice_str(check->item[i])));
	return OK;
}

void chain_close(struct chain *c)
{
	for (size_t i = 0; i < c->nauthorization; i++)
		if (c->authorization[i].module->close)
			c->authorization[i].module->close(c->authorization[i].priv);
	c->nauthorization = 0;
}

/* --- what it decides -------------------------------------------------------------------------------------------- */

enum err chain_lookup(const struct chain *c, const struct query *q, struct record *r, struct why *why)
{
	enum err result = fail(why, ERR_AUTH, "no such user");

	debug(TOPIC_AUTH, DEBUG_TRACE1, "Getting auth info for user %.*s", (int)q->login.n, q->login.p);
	for (size_t i = 0; i < c->nauthorization; i++) {
		const struct chain_link *l = &c->authorization[i];
		struct why reason = {""};

		*r = (struct record){0}; /* of what another module had begun */
		debug(TOPIC_AUTH, DEBUG_TRACE2, "Trying %s...", l->module->name);
		enum err err = l->module->lookup(l->priv, q, r, &reason);

		debug(TOPIC_AUTH, DEBUG_TRACE2, "%s yields %d=%s %s", l->module->name, (int)err, err_name(err),
		      reason.text);

		if (err == OK) {
			r->source = l->module;
			return OK;
		}
		if (result != ERR_TEMP)
			result = fail(why, err, "%s", reason.text);
	}
	return result;
}

const struct auth_module *chain_checker(const struct chain *c, const struct record *r)
{
	for (size_t i = 0; i < c->nauthentication; i++) {
		const struct auth_module *m = c->authentication[i];

		if (m == r->source || (r->checked_by && slice_eq(slice_str(m->name), slice_str(r->checked_by))))
			return m;
	}
	return NULL;
}
