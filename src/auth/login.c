/* auth/login.c - from what a client has shown to a verdict, see auth.h and login.h */
#include "auth/login.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/delay.h"
#include "auth/names.h"
#include "base/clock.h"
#include "base/log.h"

/* What the cache could have spared. Tests count these lines. */
static void log_hashed(const struct login *l)
{
	struct event e;

	event_new(&e, "auth-hashed");
	event_kv(&e, "user", l->user);
	event_log(&e, LOG_DEBUG);
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

void login_on_hashed(void *arg, struct hash_job *j, enum verdict v)
{
	struct auth *a = arg;
	struct login *l = (struct login *)j;

	log_session(l->log_id);
	if (v == VERDICT_NONE) {
		login_untold(a, l, ERR_TEMP, "no hash process");
		return;
	}
	if (l->decoy)
		v = VERDICT_WRONG;
	cache_put(&a->cache, &l->key, v, now_seconds());
	log_hashed(l);
	login_end(a, l, v);
}

bool login_is_known(void *arg, struct hash_job *j)
{
	struct auth *a = arg;
	struct login *l = (struct login *)j;
	enum verdict v = cache_get_again(&a->cache, &l->key, now_seconds());

	log_session(l->log_id);
	if (v == VERDICT_NONE)
		return login_is_stopped(a, l, v);
	login_end(a, l, v);
	return true;
}

/* --- its beginning ---------------------------------------------------------------------------------------------- */

void login_decoy(struct auth *a, struct slice hash)
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
static struct login *login_new(struct auth *a, const struct login_ask *ask, const struct record *r,
			       struct slice setting)
{
	const struct msg_login *m = ask->m;
	struct slice user = ask->c.user, password = ask->c.password;
	struct slice place = slice_str(r->place), key = r->key.n > 0 ? r->key : r->name;
	struct login *l = calloc(1, sizeof *l + user.n + password.n + setting.n + r->name.n + key.n + r->mailbox.n +
					    r->home.n + place.n);

	if (!l)
		return NULL;
	l->auth = a;
	l->sid = m->sid;
	l->log_id = m->log_id;
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

/* --- the password is looked at ------------------------------------------------------------------------------------ */

/* The cache keeps nothing of it where nobody has asked for that, and nothing that was wrong: whoever has a new password may use it at
 * once. */
static void on_checked(struct question *q, const struct looked *answer)
{
	struct login *l = (struct login *)((char *)q - offsetof(struct login, ask));
	struct auth *a = l->auth;

	if (answer->err == OK) {
		cache_put(&a->cache, &l->key, VERDICT_RIGHT, now_seconds());
		login_right(a, l);
	} else if (answer->err == ERR_AUTH) {
		login_refuse(a, l, answer->why.text[0] ? answer->why.text : "wrong password");
	} else {
		login_untold(a, l, answer->err, answer->why.text);
	}
}

static void login_ask_module(struct auth *a, struct login *l)
{
	struct pool *p = pools_find(&a->searches.pools, l->checker->name);

	l->ask = (struct question){.what = LOOK_PASSWORD,
				   .log_id = l->log_id,
				   .client = l->client,
				   .login = l->user,
				   .name = l->name,
				   .password = l->password,
				   .answer = on_checked};
	if (p)
		pool_ask(p, &l->ask);
	else
		login_untold(a, l, ERR_TEMP, "it has no processes");
}

void login_go_on(struct auth *a, struct login *l, enum verdict known)
{
	if (known != VERDICT_NONE)
		login_end(a, l, known);
	else if (!l->decoy && l->how == CHECK_ASK)
		login_ask_module(a, l);
	else if (!hashers_put(&a->hashers, &l->job))
		login_untold(a, l, ERR_TEMP, "too many logins wait for a hash process");
}

/* The cache knows decoys by their lack of a hash: no record that can be checked has none. */
static void login_begin(struct auth *a, struct login *l)
{
	struct slice hash = l->decoy ? SLICE("") : l->job.setting;
	bool is_kept = l->decoy || l->how != CHECK_ASK || conf_backend_cached(a->conf, l->checker->name);

	if (is_kept && !cache_key(&a->cache, l->user, l->password, hash, &l->key) && a->cache.nbuckets > 0) {
		login_untold(a, l, ERR_TEMP, "libcrypto failed");
		return;
	}
	enum verdict v = cache_get(&a->cache, &l->key, now_seconds());

	debug(TOPIC_AUTH, DEBUG_TRACE2, v != VERDICT_NONE ? "The cache knows the answer" : "The cache does not know");
	if (!login_is_stopped(a, l, v))
		login_go_on(a, l, v);
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

static void no_memory(const struct auth *a, const struct login_ask *ask)
{
	fronts_deny(&a->fronts, ask->m->sid, ERR_TEMP, "no memory");
}

static void login_by_password(struct auth *a, const struct login_ask *ask, const struct record *r, struct why *why)
{
	struct checking check = {.how = CHECK_NONE};

	if (r->source)
		checking_find(&a->searches.chain, r, &check, why);
	bool real = check.how != CHECK_NONE && may_use_password(a, ask->c.user, why);

	if (real && check.how == CHECK_HASH)
		login_decoy(a, r->hash);
	struct login *l = login_new(a, ask, r, real ? check.setting : (struct slice){a->decoy, a->decoy_len});

	if (!l) {
		no_memory(a, ask);
		return;
	}
	l->decoy = !real;
	l->checker = check.by;
	l->how = check.how;
	if (real)
		l->delay_s = login_delay(a->conf, &ask->m->client, r->gecos, r->place);
	l->old = r->source ? OLD_WRONG : OLD_NONEXISTENT;
	l->reason = *why;
	login_begin(a, l);
}

/* --- or need not be ------------------------------------------------------------------------------------------------ */

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

/* The verdict of whoever has checked. */
static bool is_shown(const struct auth *a, const struct login_ask *ask, enum old_line *old, struct why *why)
{
	if (ask->by == LOGIN_BY_DIGEST)
		return digest_is_right(a, &ask->c, old, why);
	if (ask->by == LOGIN_DISPROVED)
		(void)fail(why, ERR_AUTH, "%s", ask->reason);
	return ask->by == LOGIN_BY_PROOF;
}

/* The user must be one of the chain's. No hash is needed, and no answer worth keeping. */
static void login_proven(struct auth *a, const struct login_ask *ask, const struct record *r, const struct why *why)
{
	struct why reason = {""};
	enum old_line old = OLD_WRONG;
	bool right = is_shown(a, ask, &old, &reason);
	struct login *l = login_new(a, ask, r, (struct slice){0});

	if (!l) {
		no_memory(a, ask);
		return;
	}
	if (right && r->refusal)
		(void)fail(&reason, ERR_AUTH, "%s", r->refusal);
	l->old = right && !r->source ? OLD_NONEXISTENT : old;
	l->reason = right && !r->source ? *why : reason;
	l->decoy = !right || !r->source || r->refusal;
	if (!l->decoy)
		l->delay_s = login_delay(a->conf, &ask->m->client, r->gecos, r->place);
	enum verdict v = l->decoy ? VERDICT_WRONG : VERDICT_RIGHT;

	if (!login_is_stopped(a, l, v))
		login_go_on(a, l, v);
}

/* RFC 1939, section 7. */
static void login_by_digest(struct auth *a, const struct login_ask *ask, const struct record *r, const struct why *why)
{
	enum err state = a->apop.path ? apop_state(&a->apop) : OK;

	if (state != OK)
		fronts_deny(&a->fronts, ask->m->sid, state, "the database of APOP cannot be read");
	else
		login_proven(a, ask, r, why);
}

/* --- its beginning ---------------------------------------------------------------------------------------------- */

static void quota_check(const struct record *r)
{
	struct event e;
	uint64_t octets;

	if (r->quota.n == 0 || quota_read(r->quota, &octets))
		return;
	event_new(&e, "quota-ignored");
	event_word(&e, "record", r->place);
	event_kv(&e, "value", r->quota);
	event_kv(&e, "reason", SLICE("not a number, perhaps with K, M, G or T; and not `none'"));
	event_log(&e, LOG_WARNING);
}

static void login_found(struct auth *a, const struct login_ask *ask, const struct search_end *end)
{
	log_session(ask->m->log_id);
	if (end->err != OK && end->err != ERR_AUTH) {
		(void)old_line(OLD_NO_INFO, OLD(ask->c.user, slice_str(end->why->text)));
		fronts_deny(&a->fronts, ask->m->sid, end->err, end->why->text);
		return;
	}
	quota_check(end->r);
	if (ask->by == LOGIN_BY_PASSWORD)
		login_by_password(a, ask, end->r, end->why);
	else if (ask->by == LOGIN_BY_DIGEST)
		login_by_digest(a, ask, end->r, end->why);
	else
		login_proven(a, ask, end->r, end->why);
}

/* A login whose user is being looked up elsewhere. Holds a password; wiped with it. */
struct login_wait {
	struct auth *auth;
	struct msg_login m;
	struct login_ask ask;
	size_t octets;
	char text[];
};

static void on_found(void *arg, const struct search_end *end)
{
	struct login_wait *w = arg;

	login_found(w->auth, &w->ask, end);
	explicit_bzero(w, sizeof *w + w->octets);
	free(w);
}

static struct slice wait_keep(struct login_wait *w, struct slice text)
{
	char *at = w->text + w->octets;

	if (text.n > 0)
		memcpy(at, text.p, text.n);
	w->octets += text.n;
	return (struct slice){at, text.n};
}

static struct login_wait *wait_new(struct auth *a, const struct login_ask *ask)
{
	const struct credentials *c = &ask->c;
	struct slice reason = slice_str(ask->reason);
	struct login_wait *w = calloc(1, sizeof *w + c->user.n + c->password.n + c->stamp.n + reason.n + 1);

	if (!w)
		return NULL;
	w->auth = a;
	w->m = *ask->m;
	w->ask = *ask;
	w->ask.m = &w->m;
	w->ask.c.user = wait_keep(w, c->user);
	w->ask.c.password = wait_keep(w, c->password);
	w->ask.c.stamp = wait_keep(w, c->stamp);
	if (ask->reason)
		w->ask.reason = wait_keep(w, reason).p; /* zeroed behind it */
	return w;
}

static void login_wait(struct auth *a, const struct login_ask *ask, const struct search_ask *who, const struct walk *at)
{
	struct login_wait *w = wait_new(a, ask);

	if (w && search_start(&a->searches, who, at, on_found, w))
		return;
	if (w)
		explicit_bzero(w, sizeof *w + w->octets);
	free(w);
	no_memory(a, ask);
}

/* No back end ever sees what could be two lines to it, or the end of a text. */
static bool is_clean(const struct login_ask *ask)
{
	return ask->c.user.n <= NAME_MOST && ask->c.password.n <= SECRET_MOST && credential_is_clean(ask->c.user) &&
	       credential_is_clean(ask->c.password);
}

void login_start(struct auth *a, const struct login_ask *ask)
{
	struct search_ask who = {
		.login = ask->c.user, .client = ask->m->client, .local = ask->m->local, .log_id = ask->m->log_id};
	struct record r = {0};
	struct walk walk = {.err = ERR_AUTH, .why = {"invalid characters"}};
	struct search_end end = {&r, walk.err, &walk.why};

	if (login_is_barred(a, ask))
		return;
	if (is_clean(ask) && !search_try(&a->searches, &who, &walk, &r, &end))
		login_wait(a, ask, &who, &walk);
	else
		login_found(a, ask, &end);
}

void login_resume(void *arg, const struct msg_login *m, const struct credentials *c)
{
	login_start(arg,
		    &(struct login_ask){.m = m, .c = *c, .by = c->stamp.n > 0 ? LOGIN_BY_DIGEST : LOGIN_BY_PASSWORD});
}
