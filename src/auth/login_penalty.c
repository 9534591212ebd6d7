/* auth/login_penalty.c - what wrong passwords of before cost a login, see auth.h and penalty.h
 *
 * A login is stopped in three places, always before its password is looked at: when it comes, when it is about to be checked, and, if
 * it has waited for a hash process, once more: many that come at the same moment are none the better for it. */
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/acl.h"

enum { HELD_MOST = 1024 }; /* logins that wait, of one process */

static struct penalty_client client_of(const struct auth *a, const struct address *address, struct slice user)
{
	return (struct penalty_client){
		.address = address, .exempt = acl_names(&a->conf->auth.penalty.exempt, address), .user = user};
}

static const char *reason_of(enum penalty p)
{
	return p == PENALTY_LOCKED ? "locked out after too many wrong passwords"
				   : "too many logins wait behind wrong passwords";
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

static void held_unlink(struct auth *a, struct login *l)
{
	ev_timer_stop(a->child.loop, &l->timer);
	*l->held_at = l->held_next;
	if (l->held_next)
		l->held_next->held_at = l->held_at;
	a->nheld--;
}

static void on_turn(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct login *l = t->data;
	struct auth *a = l->auth;

	(void)loop;
	(void)revents;
	held_unlink(a, l);
	log_session(l->log_id);
	if (!login_is_stopped(a, l, l->known))
		login_go_on(a, l, l->known);
	log_session(0);
}

static void hold(struct auth *a, struct login *l, enum verdict known, uint32_t wait_ms)
{
	l->waited = true;
	l->known = known;
	l->held_next = a->held;
	l->held_at = &a->held;
	if (a->held)
		a->held->held_at = &l->held_next;
	a->held = l;
	a->nheld++;
	ev_timer_init(&l->timer, on_turn, wait_ms / 1000., 0.);
	l->timer.data = l;
	ev_timer_start(a->child.loop, &l->timer);
	debug(TOPIC_AUTH, DEBUG_TRACE1, "waits for %u ms, as there were wrong passwords", (unsigned)wait_ms);
}

void login_drop_held(struct auth *a, bool all, uint32_t front)
{
	for (struct login *l = a->held, *next; l; l = next) {
		next = l->held_next;
		if (!all && sid_front(l->sid) != front)
			continue;
		log_session(l->log_id);
		debug(TOPIC_AUTH, DEBUG_TRACE1, "dropped, as its front has gone");
		held_unlink(a, l);
		login_free(l);
	}
}

/* --- being stopped ---------------------------------------------------------------------------------------------- */

bool login_is_barred(struct auth *a, const struct login_ask *ask)
{
	struct penalty_client c = client_of(a, &ask->m->client, ask->c.user);
	enum penalty p = penalties_look(&a->penalties, &c, clock_ms());

	if (p != PENALTY_NONE)
		fronts_deny(&a->fronts, ask->m->sid, ERR_LOCKED, reason_of(p));
	return p != PENALTY_NONE;
}

bool login_is_stopped(struct auth *a, struct login *l, enum verdict known)
{
	struct penalty_client c = client_of(a, &l->client, l->user);
	uint64_t now = clock_ms();
	uint32_t wait_ms = 0;
	enum penalty p = penalties_locked(&a->penalties, &c, now) ? PENALTY_LOCKED : PENALTY_NONE;

	if (p == PENALTY_NONE && !l->waited)
		p = penalties_take(&a->penalties, &c, known == VERDICT_RIGHT, now, &wait_ms);
	if (wait_ms > 0 && a->nheld >= HELD_MOST)
		p = PENALTY_FULL;
	if (p != PENALTY_NONE)
		login_deny(a, l, ERR_LOCKED, reason_of(p));
	else if (wait_ms > 0)
		hold(a, l, known, wait_ms);
	return p != PENALTY_NONE || wait_ms > 0;
}

/* --- counting --------------------------------------------------------------------------------------------------- */

/* One line for each time, in the form that dist/fail2ban knows. */
static void log_lockout(const struct auth *a, const struct login *l, const char *of, uint32_t failures)
{
	char text[ADDRESS_TEXT];
	struct event e;

	event_new(&e, "lock-out");
	event_word(&e, "of", of);
	event_kv(&e, "user", l->user);
	event_word(&e, "address", address_text(&l->client, text));
	event_u64(&e, "failures", failures);
	event_u64(&e, "seconds", a->conf->auth.lockout_time.n);
	event_log(&e, LOG_NOTICE);
}

/* What was shown by other means than a password is another attempt each time. */
void login_count_wrong(struct auth *a, const struct login *l)
{
	struct penalty_client c = client_of(a, &l->client, l->user);
	struct slice shown = l->password.n > 0 ? l->password : (struct slice){(const char *)&l->sid, sizeof l->sid};
	struct penalty_news news;

	penalties_wrong(&a->penalties, &c, shown, clock_ms(), &news);
	if (news.address > 0)
		log_lockout(a, l, "address", news.address);
	if (news.user > 0)
		log_lockout(a, l, "user", news.user);
}

void login_count_right(struct auth *a, const struct login *l)
{
	struct penalty_client c = client_of(a, &l->client, l->user);

	penalties_right(&a->penalties, &c, clock_ms());
}

/* --- the process ------------------------------------------------------------------------------------------------ */

enum err login_penalties_open(struct auth *a, void *memory, struct why *why)
{
	const struct conf_auth *cf = &a->conf->auth;
	struct penalty_rules rules = {.most_s = cf->penalty.enable ? (uint32_t)cf->penalty.most.n : 0,
				      .lockout_failures = cf->lockout_failures,
				      .lockout_s = (uint32_t)cf->lockout_time.n};

	return penalties_open(&a->penalties, memory, auth_penalties_octets(), &rules, why);
}

size_t auth_penalties_octets(void)
{
	return penalties_octets(PENALTY_ENTRIES);
}
