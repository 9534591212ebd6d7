/* auth/chain.c - see chain.h */
#include "auth/chain.h"

#include "auth/hash.h"
#include "base/debug.h"
#include "conf/backends.h"

static const struct auth_module generic = {.name = "generic", .check = CHECK_HASH};

/* Which of them can find users, and which check passwords, is said by the table of modules in conf/statements.c. */
static const struct auth_module *const modules[] = {&generic,  &auth_system, &auth_virtdomain, &auth_pam,
						    &auth_sql, &auth_radius, &auth_ldap,       NULL};

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

static bool is_in_use(const struct auth_module *m, const struct conf *cf)
{
	unsigned at;

	return !m->is_remote || conf_backend_find(cf, m->name, &at);
}

/* A module that can only do the other job is left out, as is (in a chain that nobody configured) one that nobody
 * configured either; one that is named twice counts once. */
static enum err add_lookup(struct chain *c, const char *name, const struct conf *cf, struct why *why)
{
	const struct auth_module *m = auth_module_find(slice_str(name));
	bool finds = m && (m->is_remote ? conf_module_finds(name) : m->lookup != NULL);
	void *priv = NULL;

	if (!finds || !is_in_use(m, cf) || has_link(c, m) || c->nauthorization == CHAIN_MOST)
		return OK;
	enum err err = m->open ? m->open(cf, &priv, why) : OK;

	if (err == OK)
		c->authorization[c->nauthorization++] = (struct chain_link){m, priv};
	return err;
}

static void add_checker(struct chain *c, const char *name, const struct conf *cf)
{
	const struct auth_module *m = auth_module_find(slice_str(name));

	if (m && m->check != CHECK_NONE && is_in_use(m, cf) && !has_checker(c, m) && c->nauthentication < CHAIN_MOST)
		c->authentication[c->nauthentication++] = m;
}

enum err chain_open(struct chain *c, const struct conf *cf, struct why *why)
{
	const struct conf_list *find = &cf->auth.authorization, *check = &cf->auth.authentication;

	*c = (struct chain){0};
	for (size_t i = 0; i < find->n; i++) {
		enum err err = add_lookup(c, find->item[i], cf, why);

		if (err != OK) {
			chain_close(c);
			return err;
		}
	}
	for (size_t i = 0; i < check->n; i++)
		add_checker(c, check->item[i], cf);
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

void walk_begin(struct walk *w, struct slice login)
{
	*w = (struct walk){.err = ERR_AUTH, .why = {"no such user"}};
	debug(TOPIC_AUTH, DEBUG_TRACE1, "Getting auth info for user %.*s", (int)login.n, login.p);
}

/* Who was not found in the end may be a user of the module that is in trouble: he hears of that, and not that his password is wrong, so that
 * no client throws it away and no penalty counts it. Mailutils lets the last module say what it is. Of two troubles the one that may pass. */
static const unsigned weight[ERR_COUNT] = {[ERR_PERM] = 1, [ERR_TEMP] = 2}; /* no such user: 0 */

void walk_note(struct walk *w, const struct auth_module *m, enum err err, const struct why *why)
{
	debug(TOPIC_AUTH, DEBUG_TRACE2, "%s yields %d=%s %s", m->name, (int)err, err_name(err), why->text);
	if (w->noted)
		w->noted(w->arg, m, err, why);
	w->at++;
	if (err != OK && weight[w->err] > 0 && weight[err] <= weight[w->err])
		return;
	w->err = err;
	w->why = *why;
}

enum walk_end chain_walk(const struct chain *c, struct walk *w, const struct query *q, struct record *r)
{
	while (w->at < c->nauthorization) {
		const struct chain_link *l = &c->authorization[w->at];
		struct why why = {""};

		*r = (struct record){0}; /* of what another module had begun */
		debug(TOPIC_AUTH, DEBUG_TRACE2, "Trying %s...", l->module->name);
		if (l->module->is_remote)
			return WALK_ASK;
		enum err err = q->by_uid ? fail(&why, ERR_AUTH, "it finds users by their names alone")
					 : l->module->lookup(l->priv, q, r, &why);

		walk_note(w, l->module, err, &why);
		if (err == OK) {
			r->source = l->module;
			return WALK_END;
		}
	}
	r->source = NULL;
	return WALK_END;
}

static bool is_named(const char *name, const struct auth_module *m)
{
	return name && slice_eq(slice_str(m->name), slice_str(name));
}

bool chain_may_check(const struct auth_module *m, const struct record *r)
{
	return m == r->source || is_named(r->checked_by, m) || is_named(r->also_by, m);
}

/* What a module that may check the record has for it. Records of others it is asked about, where it is not the one for hashes. */
enum check chain_check_of(const struct auth_module *m, const struct record *r)
{
	if (m->check == CHECK_HASH && hash_is_usable(r->hash))
		return CHECK_HASH;
	if ((m == r->source || r->secret_for_all) && r->secret.n > 0)
		return CHECK_SECRET;
	return m->check == CHECK_ASK && (m != r->source || r->asks_source) ? CHECK_ASK : CHECK_NONE;
}

const struct auth_module *chain_checker(const struct chain *c, const struct record *r, enum check *how)
{
	const struct auth_module *first = NULL;

	*how = CHECK_NONE;
	for (size_t i = 0; i < c->nauthentication; i++) {
		const struct auth_module *m = c->authentication[i];

		if (!chain_may_check(m, r))
			continue;
		*how = chain_check_of(m, r);
		if (*how != CHECK_NONE)
			return m;
		first = first ? first : m;
	}
	return first;
}

bool chain_checks(const struct chain *c, const struct auth_module *m)
{
	return has_checker(c, m);
}
