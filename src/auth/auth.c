/* auth/auth.c - the auth process: from LOGIN to GRANT or DENY
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
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_child.h"
#include "auth/chain.h"
#include "auth/delay.h"
#include "auth/fronts.h"
#include "auth/grants.h"
#include "auth/hash.h"
#include "auth/hashers.h"
#include "auth/names.h"
#include "auth/states.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/old_line.h"

enum { HASH_MOST = 512 }; /* octets of a hash that is worth computing; libcrypt's are shorter */

/* Until the first real one was seen: yescrypt, as Debian makes them. */
static const char first_decoy[] = "$y$j9T$oZq8dVnTtNoPpAhYiIyJa.$4rWF.X3ALfADwgA9ZJgT5cZp.3jKqELLyL2ZP466d7C";

struct auth {
	struct auth_child child;
	const struct conf *conf;
	struct chain chain;
	struct cache cache;
	struct hashers hashers;
	struct grants grants;
	struct fronts fronts;
	struct apop apop;
	struct states states;
	char decoy[HASH_MOST];
	size_t decoy_len;
};

/* A login under way: what is needed to end it, copied out of the message and the record. Holds a password; wiped with
 * it. */
struct login {
	struct hash_job job; /* first: this is how hashers know it */
	struct state_job state;
	uint64_t sid, log_id;
	uint32_t front;
	struct address client;
	struct cache_key key;
	bool decoy;
	enum old_line old; /* when it is refused */
	struct why reason; /* of a decoy */
	const struct auth_module *source;
	uint32_t uid, gid;
	uint32_t delay_s;                                                 /* between two logins; 0: none */
	struct slice user, password, name, kept_as, mailbox, home, place; /* point behind the struct */
	size_t octets;
	char text[];
};

/* --- what is logged --------------------------------------------------------------------------------------------- */

static void event_address(struct event *e, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];

	if (a->family != 0 && inet_ntop(a->family, a->ip, text, sizeof text))
		event_word(e, "address", text);
	else
		event_word(e, "address", "local");
}

/* What the cache could have spared. Tests count these lines. */
static void log_hashed(const struct login *l)
{
	struct event e;

	event_new(&e, "auth-hashed");
	event_kv(&e, "user", l->user);
	event_log(&e, LOG_DEBUG);
}

/* --- the end of a login ----------------------------------------------------------------------------------------- */

static void login_free(struct login *l)
{
	explicit_bzero(l, sizeof *l + l->octets);
	free(l);
}

static void login_deny(struct auth *a, struct login *l, enum err err, const char *reason)
{
	fronts_deny(&a->fronts, l->front, l->sid, err, reason);
	login_free(l);
}

/* Nobody could say whether the password is right. */
static void login_untold(struct auth *a, struct login *l, const char *reason)
{
	(void)old_line(OLD_NO_CHECK, OLD(l->user, slice_str(reason)));
	login_deny(a, l, ERR_TEMP, reason);
}

static void login_refuse(struct auth *a, struct login *l, const char *reason)
{
	(void)old_line(l->old, OLD(l->user));
	fronts_count_failure(&a->fronts, l->front);
	login_deny(a, l, ERR_AUTH, reason);
}

/* Who has the right password hears that it is not his fault; the operator hears what to do. */
static bool is_uid_fit(const struct auth *a, const struct login *l)
{
	struct event e;
	uint32_t least = a->conf->auth.min_uid > l->source->least_uid ? a->conf->auth.min_uid : l->source->least_uid;

	if (l->uid >= least)
		return true;
	event_new(&e, "login-refused");
	event_kv(&e, "user", l->user);
	event_address(&e, &l->client);
	event_u64(&e, "uid", l->uid);
	event_u64(&e, "least", least);
	event_kv(&e, "record", l->place);
	event_kv(&e, "mailbox", l->mailbox);
	event_kv(&e, "fix", SLICE("give the record the uid and gid of a user of its own, and chown the mailbox to it"));
	event_log(&e, LOG_ERR);
	return false;
}

static void login_grant(struct auth *a, struct login *l, const struct msg_reserved *reserved)
{
	struct msg_grant m = {.sid = l->sid,
			      .log_id = l->log_id,
			      .reservation = reserved->reservation,
			      .bulletin = reserved->bulletin,
			      .front = l->front,
			      .login_delay_s = l->delay_s,
			      .uid = l->uid,
			      .gid = l->gid,
			      .name_len = (uint16_t)l->name.n,
			      .mailbox_len = (uint16_t)l->mailbox.n,
			      .home_len = (uint16_t)l->home.n};

	(void)snprintf(m.source, sizeof m.source, "%s", l->source->name);
	bool is_wanted = fronts_has(&a->fronts, l->front);
	bool sent = is_wanted && grants_send(&a->grants, &m, (struct slice[]){l->name, l->mailbox, l->home});

	if (!sent)
		states_settle(&a->states, m.reservation, SETTLE_RELEASE);
	if (is_wanted && !sent)
		fronts_deny(&a->fronts, l->front, l->sid, ERR_TEMP, "no store process");
	login_free(l);
}

static void on_reserved(void *arg, struct state_job *j, const struct msg_reserved *answer)
{
	struct auth *a = arg;
	struct login *l = (struct login *)((char *)j - offsetof(struct login, state));

	log_session(l->log_id);
	if (answer->err == OK) {
		login_grant(a, l, answer);
		return;
	}
	(void)old_line(OLD_TOO_SOON, OLD(l->name));
	login_deny(a, l, ERR_DELAY, ""); /* front has the words */
}

/* The password was right. It is not needed any more, and whoever asks state may have to wait. */
static void login_right(struct auth *a, struct login *l)
{
	static const struct msg_reserved nothing = {.bulletin = BULLETIN_UNKNOWN};
	uint32_t wants =
		(l->delay_s > 0 ? RESERVE_DELAY : 0) | (conf_numbers_bulletins(a->conf) ? RESERVE_BULLETIN : 0);

	(void)old_line(OLD_LOGIN, OLD(l->name, slice_str(l->source->name)));
	if (!is_uid_fit(a, l)) {
		login_deny(a, l, ERR_PERM, "a uid that may not log in");
		return;
	}
	explicit_bzero((char *)l->password.p, l->password.n);
	if (wants == 0) {
		login_grant(a, l, &nothing);
		return;
	}
	l->state.key = l->kept_as;
	l->state.old = slice_eq(l->kept_as, l->name) ? SLICE("") : l->name;
	l->state.ask = (struct msg_reserve){.sid = l->sid,
					    .log_id = l->log_id,
					    .wants = wants,
					    .delay_s = l->delay_s,
					    .key_len = (uint16_t)l->kept_as.n,
					    .old_len = (uint16_t)l->state.old.n};
	states_ask(&a->states, &l->state);
}

/* Nobody knows a decoy's password, not even who happens to have guessed the one it was made from. */
static void login_end(struct auth *a, struct login *l, enum verdict v)
{
	if (l->decoy)
		login_refuse(a, l, l->reason.text);
	else if (v == VERDICT_RIGHT)
		login_right(a, l);
	else
		login_refuse(a, l, "wrong password");
}

static uint32_t now_seconds(void)
{
	return (uint32_t)(clock_ms() / 1000);
}

static void on_answer(void *arg, struct hash_job *j, enum verdict v)
{
	struct auth *a = arg;
	struct login *l = (struct login *)j;

	log_session(l->log_id);
	if (v == VERDICT_NONE) {
		login_untold(a, l, "no hash process");
		return;
	}
	if (l->decoy)
		v = VERDICT_WRONG;
	cache_put(&a->cache, &l->key, v, now_seconds());
	log_hashed(l);
	login_end(a, l, v);
}

static bool is_known(void *arg, struct hash_job *j)
{
	struct auth *a = arg;
	struct login *l = (struct login *)j;
	enum verdict v = cache_get(&a->cache, &l->key, now_seconds());

	if (v == VERDICT_NONE)
		return false;
	log_session(l->log_id);
	login_end(a, l, v);
	return true;
}

/* --- its beginning ---------------------------------------------------------------------------------------------- */

static void decoy_set(struct auth *a, struct slice hash)
{
	struct buf b = BUF(a->decoy);

	buf_put(&b, hash);
	if (!b.full)
		a->decoy_len = b.len;
}

static struct slice keep(struct login *l, struct slice text)
{
	char *at = l->text + l->octets;

	if (text.n > 0)
		memcpy(at, text.p, text.n);
	l->octets += text.n;
	return (struct slice){at, text.n};
}

/* Copies all that outlives the message. NULL: no memory. */
static struct login *login_new(uint32_t front, const struct msg_login *m, struct slice user, struct slice password,
			       const struct record *r, struct slice setting)
{
	struct slice place = slice_str(r->place), key = r->key.n > 0 ? r->key : r->name;
	struct login *l = calloc(1, sizeof *l + user.n + password.n + setting.n + r->name.n + key.n + r->mailbox.n +
					    r->home.n + place.n);

	if (!l)
		return NULL;
	l->sid = m->sid;
	l->log_id = m->log_id;
	l->front = front;
	l->client = m->client;
	l->source = r->source;
	l->uid = r->uid;
	l->gid = r->gid;
	l->user = keep(l, user);
	l->job.password = l->password = keep(l, password);
	l->job.setting = keep(l, setting);
	l->name = keep(l, r->name);
	l->kept_as = keep(l, key);
	l->mailbox = keep(l, r->mailbox);
	l->home = keep(l, r->home);
	l->place = keep(l, place);
	return l;
}

/* All of it but the hash, as Mailutils shows it. */
static void record_debug(const struct record *r)
{
	debug(TOPIC_AUTH, DEBUG_TRACE1,
	      "source=%s, name=%.*s, passwd=***, uid=%u, gid=%u, dir=%.*s, mailbox=%.*s, place=%s",
	      r->source ? r->source->name : "none", /* which cannot be, once it was found */
	      (int)r->name.n, r->name.p, (unsigned)r->uid, (unsigned)r->gid, (int)r->home.n, r->home.p,
	      (int)r->mailbox.n, r->mailbox.p, r->place);
}

static bool record_is_checkable(const struct auth *a, const struct record *r, struct why *why)
{
	const struct auth_module *m = chain_checker(&a->chain, r);

	record_debug(r);
	debug(TOPIC_AUTH, DEBUG_TRACE1, "Authenticating user %.*s, source %s", (int)r->name.n, r->name.p,
	      m ? m->name : "none");
	if (r->refusal) {
		(void)fail(why, ERR_AUTH, "%s", r->refusal);
		return false;
	}
	if (m && m->check == CHECK_HASH && r->hash.n <= HASH_MOST && hash_is_usable(r->hash))
		return true;
	(void)fail(why, ERR_AUTH, m ? "no valid hash in %s" : "no authentication module for records of %s", r->place);
	return false;
}

/* The cache knows decoys by their lack of a hash: no record that can be checked has none. */
static void login_begin(struct auth *a, struct login *l)
{
	struct slice hash = l->decoy ? SLICE("") : l->job.setting;

	if (!cache_key(&a->cache, l->user, l->password, hash, &l->key) && a->cache.nbuckets > 0) {
		login_untold(a, l, "libcrypto failed");
		return;
	}
	enum verdict v = cache_get(&a->cache, &l->key, now_seconds());

	debug(TOPIC_AUTH, DEBUG_TRACE2, v != VERDICT_NONE ? "The cache knows the answer" : "The cache does not know");
	if (v != VERDICT_NONE) {
		login_end(a, l, v);
	} else if (!hashers_put(&a->hashers, &l->job)) {
		login_untold(a, l, "too many logins wait for a hash process");
	}
}

/* Who has a secret of APOP, and should not show a password to whoever listens. */
static bool may_use_password(const struct auth *a, struct slice user, struct why *why)
{
	struct slice secret;

	if (a->conf->auth.apop_password_login || !a->apop.path || !apop_secret(&a->apop, user, &secret))
		return true;
	(void)fail(why, ERR_AUTH, "has a secret for APOP, and apop-password-login is no");
	return false;
}

static void login_by_password(struct auth *a, uint32_t front, const struct msg_login *m, const struct credentials *c,
			      const struct record *r, struct why *why)
{
	bool known = r->source, real = known && record_is_checkable(a, r, why) && may_use_password(a, c->user, why);

	if (real)
		decoy_set(a, r->hash);
	struct login *l = login_new(front, m, c->user, c->password, r, (struct slice){a->decoy, a->decoy_len});

	if (!l) {
		fronts_deny(&a->fronts, front, m->sid, ERR_TEMP, "no memory");
		return;
	}
	l->decoy = !real;
	if (real)
		l->delay_s = login_delay(a->conf, &m->client, r->gecos, r->place);
	l->old = known ? OLD_WRONG : OLD_NONEXISTENT;
	l->reason = *why;
	login_begin(a, l);
}

/* Whoever has no secret is compared with an empty one, so that both take as long; a failure is answered at a fixed time anyway. */
static bool digest_is_right(const struct auth *a, const struct credentials *c, enum old_line *old, struct why *why)
{
	struct slice secret = {0};
	bool found = apop_secret(&a->apop, c->user, &secret), right = apop_is_right(c->stamp, secret, c->password);

	*old = found ? OLD_APOP_WRONG : OLD_APOP_NONE;
	if (!found || !right)
		(void)fail(why, ERR_AUTH, found ? "wrong digest" : "no secret for APOP");
	return found && right;
}

/* RFC 1939, section 7. The user must be one of the chain's. No hash is needed, and no answer worth keeping. */
static void login_by_digest(struct auth *a, uint32_t front, const struct msg_login *m, const struct credentials *c,
			    const struct record *r, struct why *why)
{
	struct why reason = {""};
	enum err state = a->apop.path ? apop_state(&a->apop) : OK;
	enum old_line old;

	if (state != OK) {
		fronts_deny(&a->fronts, front, m->sid, state, "the database of APOP cannot be read");
		return;
	}
	bool right = digest_is_right(a, c, &old, &reason);
	struct login *l = login_new(front, m, c->user, c->password, r, (struct slice){0});

	if (!l) {
		fronts_deny(&a->fronts, front, m->sid, ERR_TEMP, "no memory");
		return;
	}
	if (right && r->refusal)
		(void)fail(&reason, ERR_AUTH, "%s", r->refusal);
	l->old = right && !r->source ? OLD_NONEXISTENT : old;
	l->reason = right && !r->source ? *why : reason;
	l->decoy = !right || !r->source || r->refusal;
	if (!l->decoy)
		l->delay_s = login_delay(a->conf, &m->client, r->gecos, r->place);
	login_end(a, l, l->decoy ? VERDICT_WRONG : VERDICT_RIGHT);
}

/* What is to be known from outside is known. */
static void login_now(void *arg, uint32_t front, const struct msg_login *m, const struct credentials *c)
{
	struct auth *a = arg;
	struct query q = {.login = c->user, .local = &m->local};
	struct record r = {0};
	struct why why = {""};
	bool clean = credential_is_clean(c->user) && credential_is_clean(c->password);
	enum err err = clean ? chain_lookup(&a->chain, &q, &r, &why) : fail(&why, ERR_AUTH, "invalid characters");

	log_session(m->log_id);
	if (err != OK && err != ERR_AUTH) {
		(void)old_line(OLD_NO_INFO, OLD(c->user, slice_str(why.text)));
		fronts_deny(&a->fronts, front, m->sid, err, why.text);
		return;
	}
	if (err != OK)
		r.source = NULL; /* of a module that had begun with it */
	(c->stamp.n > 0 ? login_by_digest : login_by_password)(a, front, m, c, &r, &why);
}

static void on_login(void *arg, uint32_t front, const struct msg_login *m, const struct credentials *c)
{
	struct auth *a = arg;

	if (!a->apop.path || apop_is_ready(&a->apop, front, m, c))
		login_now(a, front, m, c);
}

/* --- the process ------------------------------------------------------------------------------------------------ */

static void on_lost(void *arg, uint32_t front, uint64_t sid, uint64_t reservation)
{
	struct auth *a = arg;

	states_settle(&a->states, reservation, SETTLE_DOUBT);
	fronts_deny(&a->fronts, front, sid, ERR_TEMP, "the store process ended");
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
		err = chain_open(&a->chain, env->conf, why);
	if (err != OK)
		return err;
	decoy_set(a, SLICE(first_decoy));
	auth_child_open(&a->child, env, on_peer, on_forget, a);
	a->child.ops.on[MSG_SECRETS] = on_secrets;
	a->apop = (struct apop){.path = env->apop_path, .master = &a->child.master, .resume = login_now, .arg = a};
	apop_init(&a->apop);
	a->fronts.loop = a->child.loop;
	a->fronts.login = on_login;
	a->fronts.arg = a;
	a->hashers.answer = on_answer;
	a->hashers.is_known = is_known;
	a->hashers.arg = a;
	hashers_open(&a->hashers, a->child.loop);
	a->states.loop = a->child.loop;
	a->states.answer = on_reserved;
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
	hashers_close(&a->hashers);
	grants_close(&a->grants);
	apop_done(&a->apop);
	states_close(&a->states);
	auth_child_close(&a->child);
	chain_close(&a->chain);
	cache_close(&a->cache);
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
