/* master/spawn_env.c - see spawn_env.h */
#include "master/spawn_env.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "master/child.h"
#include "master/databases.h"

static enum err map(void **out, const struct region *r, bool write, size_t at, size_t len, struct why *why)
{
	*out = region_map(r, write, at, len);
	return *out ? OK : fail_errno(why, ERR_TEMP, "map shared memory");
}

static enum err env_front(const struct child *c, struct role_env *env, struct why *why)
{
	const struct master *m = c->master;

	env->listeners = m->listeners.fd;
	const struct commons *commons = m->commons;
	void *tickets;

	env->certs = m->certs.fd;
	env->apop_host = m->apop.on ? m->apop.host : NULL;
	env->client = m->is_inetd ? m->client : -1;
	memcpy(env->wake, commons->wake, sizeof env->wake);
	env->places = (struct places_seat){
		.slots = commons->fronts * commons->generations,
		.slot = m->first + c->slot,
		.first = m->first,
		.peers = m->pool[ROLE_FRONT].n,
	};
	if (map(&tickets, &commons->tickets, false, 0, commons->tickets.size, why) != OK)
		return ERR_TEMP;
	env->tickets = tickets;
	if (m->pool[ROLE_STATE].n > 0) {
		void *page;

		if (map(&page, &m->state_page, false, 0, m->state_page.size, why) != OK)
			return ERR_TEMP;
		env->state_page = page;
	}
	return map(&env->places.shared, &commons->places, true, 0, commons->places.size, why);
}

static enum err env_auth(const struct child *c, struct role_env *env, struct why *why)
{
	const struct master *m = c->master;
	void *slots;

	env->hashers = m->pool[ROLE_HASH].n;
	env->apop_path = m->apop.on ? m->apop.name.path : NULL;
	env->cache_octets = m->cache.size;
	if (map(&slots, &m->slots, false, 0, m->slots.size, why) != OK)
		return ERR_TEMP;
	env->slots = slots;
	if (m->backends.size > 0 && map(&env->pools, &m->backends, true, 0, m->backends.size, why) != OK)
		return ERR_TEMP;
	const struct region *penalties = &m->commons->penalties;

	if (penalties->size > 0 && map(&env->penalties, penalties, true, 0, penalties->size, why) != OK)
		return ERR_TEMP;
	return m->cache.size > 0 ? map(&env->cache, &m->cache, true, 0, m->cache.size, why) : OK;
}

/* NULL: there is none, which the log says where there should be one. */
static char *owner_dir(const struct child *c,
		       bool (*find)(const struct paths *, const struct identity *, char *, struct why *),
		       const char *what)
{
	char dir[PATH_MAX];
	struct why reason = {""};

	if (find(&c->master->paths, &c->owner, dir, &reason))
		return strdup(dir);
	if (reason.text[0])
		log_line(LOG_WARNING, "no directory for %s of uid %u: %s", what, (unsigned)c->owner.uid, reason.text);
	return NULL;
}

static enum err env_store(const struct child *c, struct role_env *env, struct why *why)
{
	const struct master *m = c->master;
	void *page;

	env->spool = m->spool[0] ? m->spool : NULL;
	env->uid = c->owner.uid;
	env->gid = c->owner.gid;
	env->session_fd = paths_session_file(&m->paths, c->owner.uid, why);
	if (env->session_fd < 0)
		return ERR_TEMP;
	env->index_dir = owner_dir(c, paths_index_dir, "indexes");
	env->journal_dir = owner_dir(c, paths_journal_dir, "journals");
	env->uidl_dir = owner_dir(c, paths_uidl_dir, "unique-ids");
	if (map(&page, &m->slots, true, (size_t)c->slot * STORE_SLOT_OCTETS, STORE_SLOT_OCTETS, why) != OK)
		return ERR_TEMP;
	env->slot_page = page;
	env->confirmed = m->confirmed[1];
	return OK;
}

static enum err env_state(const struct child *c, struct role_env *env, struct why *why)
{
	const struct master *m = c->master;
	void *page;

	if (map(&env->reservations, &m->reservations, true, 0, m->reservations.size, why) != OK ||
	    map(&page, &m->state_page, true, 0, m->state_page.size, why) != OK)
		return ERR_TEMP;
	env->state_page = page;
	env->confirmed = m->confirmed[0];
	return databases_open(m, env, why);
}

static enum err env_relay(const struct child *c, struct role_env *env, struct why *why)
{
	(void)why;
	env->client = c->master->relay;
	return OK;
}

static enum err env_backend(const struct child *c, struct role_env *env, struct why *why)
{
	(void)why;
	env->module = c->module;
	return OK;
}

void spawn_dirs_above(const struct master *m, const char **cache, const char **journal, const char **uidl)
{
	static char journals[PATH_MAX], uidls[PATH_MAX]; /* of this process */

	(void)snprintf(journals, sizeof journals, "%.*s/journal", PATH_MAX - 9, m->paths.state);
	(void)snprintf(uidls, sizeof uidls, "%.*s/uidl", PATH_MAX - 6, m->paths.state);
	*cache = m->paths.cache_dir >= 0 ? m->paths.cache : NULL;
	*journal = m->paths.journal_dir >= 0 ? journals : NULL;
	*uidl = m->paths.uidl_dir >= 0 ? uidls : NULL;
}

static enum err env_opener(const struct child *c, struct role_env *env, struct why *why)
{
	const char *uidl;

	(void)why;
	spawn_dirs_above(c->master, &env->caches, &env->journals, &uidl);
	return OK;
}

enum err spawn_env_fill(const struct child *c, struct role_env *env, struct why *why)
{
	static enum err (*const fill[ROLE_COUNT])(const struct child *, struct role_env *, struct why *) = {
		[ROLE_FRONT] = env_front, [ROLE_AUTH] = env_auth,       [ROLE_RELAY] = env_relay,
		[ROLE_STATE] = env_state, [ROLE_BACKEND] = env_backend, [ROLE_OPENER] = env_opener,
		[ROLE_STORE] = env_store,
	};

	return fill[c->role] ? fill[c->role](c, env, why) : OK;
}
