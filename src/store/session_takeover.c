/* store/session_takeover.c - session-takeover: a new login ends the session that is there. See session_state.h */
#include "store/session_state.h"

/* Its front is told, and the maildrop left alone. False: it is being changed. */
static bool lose(struct session *s)
{
	const struct why why = {"a new session of the user has taken its place"};
	bool was_open = s->open;

	if (s->deleted)
		return false; /* it ends by itself, and its client is told what became of it */
	log_session(s->log_id);
	if (!was_open) {
		session_refuse(s, slice_str(s->md.path), ERR_IN_USE, &why);
		return true;
	}
	session_log_failure(s, "session-taken-over", LOG_INFO, &why);
	session_taken_away(s);
	return true;
}

bool session_takes_over(struct session *s)
{
	struct store *st = s->store;
	struct lock *held = (struct lock *)table_find(&st->locks.held, s->md.key);

	if (!st->env->conf->mailbox.session_takeover)
		return false;
	if (held) {
		bool lost = lose((struct session *)((char *)held - offsetof(struct session, lock)));

		log_session(s->log_id);
		return lost;
	}
	lock_ask(&st->locks, s->md.key);
	s->asks = true;
	return false;
}

static void lose_asked(struct table_item *item, void *store)
{
	struct session *s = (struct session *)item;
	const struct store *st = store;

	if (s->lock.held && lock_is_asked(&st->locks, s->md.key))
		(void)lose(s);
}

void session_look_for_takeover(struct store *st)
{
	if (lock_rung(&st->locks))
		table_each(&st->sessions, lose_asked, st);
	log_session(0);
}
