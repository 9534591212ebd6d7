/* auth/login_end.c - from the verdict on a password to GRANT or DENY, see auth.h */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/log.h"

/* --- what is logged --------------------------------------------------------------------------------------------- */

static void event_address(struct event *e, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];

	if (a->family != 0 && inet_ntop(a->family, a->ip, text, sizeof text))
		event_word(e, "address", text);
	else
		event_word(e, "address", "local");
}

/* --- the end of a login ----------------------------------------------------------------------------------------- */

void login_free(struct login *l)
{
	explicit_bzero(l, sizeof *l + l->octets);
	free(l);
}

void login_deny(struct auth *a, struct login *l, enum err err, const char *reason)
{
	fronts_deny(&a->fronts, l->sid, err, reason);
	login_free(l);
}

/* Nobody could say whether the password is right. */
void login_untold(struct auth *a, struct login *l, enum err err, const char *reason)
{
	(void)old_line(OLD_NO_CHECK, OLD(l->user, slice_str(reason)));
	login_deny(a, l, err, reason);
}

void login_refuse(struct auth *a, struct login *l, const char *reason)
{
	(void)old_line(l->old, OLD(l->user));
	fronts_count_failure(&a->fronts, l->sid);
	login_count_wrong(a, l);
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
			      .login_delay_s = l->delay_s,
			      .uid = l->uid,
			      .gid = l->gid,
			      .name_len = (uint16_t)l->name.n,
			      .mailbox_len = (uint16_t)l->mailbox.n,
			      .home_len = (uint16_t)l->home.n};

	(void)snprintf(m.source, sizeof m.source, "%s", l->source->name);
	bool is_wanted = fronts_has(&a->fronts, l->sid);
	bool sent = is_wanted && grants_send(&a->grants, &m, (struct slice[]){l->name, l->mailbox, l->home});

	if (!sent)
		states_settle(&a->states, m.reservation, SETTLE_RELEASE);
	if (is_wanted && !sent)
		fronts_deny(&a->fronts, l->sid, ERR_TEMP, "no store process");
	login_free(l);
}

void login_on_reserved(void *arg, struct state_job *j, const struct msg_reserved *answer)
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
void login_right(struct auth *a, struct login *l)
{
	static const struct msg_reserved nothing = {.bulletin = BULLETIN_UNKNOWN};
	uint32_t wants =
		(l->delay_s > 0 ? RESERVE_DELAY : 0) | (conf_numbers_bulletins(a->conf) ? RESERVE_BULLETIN : 0);

	(void)old_line(OLD_LOGIN, OLD(l->name, slice_str(l->source->name)));
	login_count_right(a, l);
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
