/* auth/auth.c - the auth process: from LOGIN to GRANT or DENY (login.c, login_end.c)
 *
 * A login is looked up; then the cache, or a hash process, says whether the password is right. Whoever does not
 * exist, or can have no right password, goes the same way with a decoy: the hash of the last user who does exist. So
 * neither the time nor the queue in front of the hash processes tells which it was. Right passwords become a grant.
 *
 * Where there is a database of APOP, a login first sees to it that its secrets are known (apop.h).
 *
 * It never hashes and waits for nobody, so that a login that the cache knows does not queue behind one that it does
 * not. From the system it needs, beyond the loop, its channels and memory: openat for reading of the directories of
 * users and of files in them, newfstatat, pread64, close, getrandom. */
#include <stdlib.h>

#include "auth/auth.h"
#include "auth/counts.h"
#include "base/log.h"
#include "ipc/role.h"

/* Until the first real one was seen: yescrypt, as Debian makes them. */
static const char first_decoy[] = "$y$j9T$oZq8dVnTtNoPpAhYiIyJa.$4rWF.X3ALfADwgA9ZJgT5cZp.3jKqELLyL2ZP466d7C";

static void on_login(void *arg, const struct msg_login *m, const struct credentials *c)
{
	struct auth *a = arg;

	if (!a->apop.path || apop_is_ready(&a->apop, m, c))
		login_resume(a, m, c);
}

/* --- AUTH -------------------------------------------------------------------------------------------------------- */

static enum err on_sasl(void *arg, const struct msg *m, struct why *why)
{
	struct auth *a = arg;

	return (m->type == MSG_SASL_START ? sasl_start : sasl_step)(&a->sasl, m, why);
}

static void on_front_gone(void *arg, uint32_t front)
{
	struct auth *a = arg;

	sasl_front_gone(&a->sasl, front);
	login_drop_held(a, false, front);
}

static bool on_sasl_token(void *arg, const struct login_ask *ask)
{
	return login_is_barred(arg, ask);
}

/* A password goes the way of those behind PASS, who has a secret of APOP included. */
static void on_sasl_end(void *arg, const struct login_ask *ask)
{
	if (ask->by == LOGIN_BY_PASSWORD)
		on_login(arg, ask->m, &ask->c);
	else
		login_start(arg, ask);
}

/* --- the process ------------------------------------------------------------------------------------------------ */

static void on_lost(void *arg, uint64_t sid, uint64_t reservation)
{
	struct auth *a = arg;

	states_settle(&a->states, reservation, SETTLE_DOUBT);
	fronts_deny(&a->fronts, sid, ERR_TEMP, "the store process ended");
}

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	struct auth *a = c->owner;
	const struct msg_peer *peer = m->payload;
	enum err err = ERR_PERM;

	if (peer->role == ROLE_FRONT)
		err = fronts_peer(&a->fronts, peer, m->fds[0], why);
	else if (peer->role == ROLE_HASH)
		err = hashers_peer(&a->hashers, peer, m->fds[0], why);
	else if (peer->role == ROLE_STORE)
		err = grants_peer(&a->grants, peer, m->fds[0], why);
	else if (peer->role == ROLE_BACKEND)
		err = pools_peer(&a->searches.pools, peer, m->fds[0], why);
	else if (peer->role == ROLE_STATE)
		err = (states_peer(&a->states, peer, m->fds[0]), OK);
	else
		return fail(why, err, "a channel to a process that auth does not talk to");
	if (err == OK)
		(void)msg_take_fd(m, 0); /* the channel has it */
	else
		log_line(LOG_ERR, "auth: %s", why->text);
	return OK;
}

static enum err on_secrets(struct chan *c, struct msg *m, struct why *why)
{
	struct auth *a = c->owner;

	return apop_arrived(&a->apop, m, why);
}

static enum err on_counts(struct chan *c, struct msg *m, struct why *why)
{
	struct auth *a = c->owner;

	(void)m;
	(void)why;
	counts_tell_cache(&a->cache);
	counts_tell_penalties(&a->penalties);
	return OK;
}

static enum err on_forget(struct chan *c, struct msg *m, struct why *why)
{
	struct auth *a = c->owner;
	const struct msg_forget *forget = m->payload;

	(void)why;
	grants_forget(&a->grants, forget->serial);
	return OK;
}

static enum err auth_open(struct auth *a, const struct role_env *env, struct why *why)
{
	a->conf = env->conf;
	enum err err = cache_open(&a->cache, env->cache, env->cache_octets, env->conf->auth.cache.ttl.n,
				  env->conf->auth.cache.negative_ttl.n, why);

	if (err == OK)
		err = login_penalties_open(a, env->penalties, why);
	if (err == OK)
		err = chain_open(&a->searches.chain, env->conf, why);
	a->sasl = (struct sasl){.conf = env->conf,
				.cache = &a->cache,
				.fronts = &a->fronts,
				.pools = &a->searches.pools,
				.searches = &a->searches,
				.login = on_sasl_end,
				.barred = on_sasl_token,
				.arg = a};
	if (err == OK)
		err = sasl_open(&a->sasl, why);
	if (err != OK)
		return err;
	login_decoy(a, SLICE(first_decoy));
	auth_child_open(&a->child, env, on_peer, on_forget, a);
	a->child.ops.on[MSG_SECRETS] = on_secrets;
	a->child.ops.on[MSG_COUNTS] = on_counts;
	a->apop = (struct apop){.path = env->apop_path, .master = &a->child.master, .resume = login_resume, .arg = a};
	apop_init(&a->apop);
	a->searches.conf = env->conf;
	pools_open(&a->searches.pools, a->child.loop, env->conf, env->pools);
	a->searches.pools.master = &a->child.master;
	a->fronts.loop = a->child.loop;
	a->fronts.login = on_login;
	a->fronts.sasl = on_sasl;
	a->fronts.gone = on_front_gone;
	a->fronts.arg = a;
	a->hashers.answer = login_on_hashed;
	a->hashers.is_known = login_is_known;
	a->hashers.arg = a;
	hashers_open(&a->hashers, a->child.loop);
	a->states.loop = a->child.loop;
	a->states.answer = login_on_reserved;
	a->states.arg = a;
	states_open(&a->states);
	a->grants.loop = a->child.loop;
	a->grants.master = &a->child.master;
	a->grants.slots = env->slots;
	a->grants.lost = on_lost;
	a->grants.arg = a;
	return OK;
}

static void auth_close(struct auth *a)
{
	fronts_close(&a->fronts);
	login_drop_held(a, true, 0);
	hashers_close(&a->hashers);
	grants_close(&a->grants);
	apop_done(&a->apop);
	sasl_close(&a->sasl);
	states_close(&a->states);
	auth_child_close(&a->child);
	chain_close(&a->searches.chain);
	pools_close(&a->searches.pools);
	cache_close(&a->cache);
	penalties_close(&a->penalties);
}

int auth_main(const struct role_env *env)
{
	struct auth *a = calloc(1, sizeof *a);
	struct why why = {"no memory"};

	if (!a || auth_open(a, env, &why) != OK) {
		log_line(LOG_ERR, "auth: %s", why.text);
		free(a);
		return EXIT_FAILURE;
	}
	auth_child_run(&a->child);
	auth_close(a);
	free(a);
	return EXIT_SUCCESS;
}

size_t auth_cache_octets(const struct conf *cf)
{
	return cache_octets(cf->auth.cache.ttl.n > 0 ? cf->auth.cache.size : 0);
}
