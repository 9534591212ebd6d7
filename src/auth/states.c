/* auth/states.c - see states.h */
#include "auth/states.h"

#include "base/clock.h"
#include "base/log.h"

static const double look_s = 0.5; /* between two looks for who has waited long enough */

static void send_job(struct states *s, struct state_job *j)
{
	struct chan_out out = {.payload = &j->ask, .bulk = {j->key, j->old}};

	if (s->there)
		(void)chan_send(&s->chan, MSG_RESERVE, &out); /* where it is lost, the next process is asked */
}

/* Takes it out of the queue. */
static void job_take(struct states *s, struct state_job **at)
{
	struct state_job *j = *at;

	*at = j->next;
	if (!*at)
		s->end = at;
	if (!s->first)
		ev_timer_stop(s->loop, &s->look);
}

static void go_without(struct states *s, struct state_job *j)
{
	struct msg_reserved nothing = {.sid = j->ask.sid, .bulletin = BULLETIN_UNKNOWN};

	s->answer(s->arg, j, &nothing);
}

static void missed_tell(struct states *s)
{
	struct event e;

	if (s->missed)
		return;
	s->missed = true;
	event_new(&e, "state-missed");
	event_word(&e, "reason", s->there ? "the state process does not answer" : "there is no state process");
	event_kv(&e, "effect", SLICE("logins go on without login delay and new bulletins"));
	event_log(&e, LOG_ERR);
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct states *s = w->data;
	uint64_t now = clock_ms();

	(void)loop;
	(void)revents;
	while (s->first && now - s->first->since_ms >= STATE_WAIT_MS) {
		struct state_job *j = s->first;

		log_session(0);
		missed_tell(s);
		job_take(s, &s->first);
		go_without(s, j);
	}
	log_session(0);
}

static enum err on_reserved(struct chan *c, struct msg *m, struct why *why)
{
	struct states *s = c->owner;
	const struct msg_reserved *answer = m->payload;
	struct state_job **at = &s->first;

	if (answer->err != OK && answer->err != ERR_DELAY)
		return fail(why, ERR_PERM, "an answer that is none");
	s->missed = false;
	while (*at && (*at)->ask.sid != answer->sid)
		at = &(*at)->next;
	struct state_job *j = *at;

	if (j) {
		job_take(s, at);
		s->answer(s->arg, j, answer);
	} else {
		states_settle(s, answer->reservation, SETTLE_CONFIRM); /* it did not wait */
	}
	return OK;
}

static void on_closed(struct chan *c, const char *reason)
{
	struct states *s = c->owner;

	if (reason)
		log_line(LOG_WARNING, "auth: channel to state %u closed: %s", (unsigned)c->peer_serial, reason);
	chan_done(c);
	s->there = false;
}

static const struct chan_ops state_ops = {.on = {[MSG_RESERVED] = on_reserved}, .closed = on_closed};

void states_open(struct states *s)
{
	s->end = &s->first;
	ev_init(&s->look, on_look);
	s->look.repeat = look_s;
	s->look.data = s;
}

void states_close(struct states *s)
{
	if (s->there)
		chan_done(&s->chan);
	s->there = false;
	ev_timer_stop(s->loop, &s->look);
}

/* Whether the one before has answered, nobody knows: it has left that to the new one. */
void states_peer(struct states *s, const struct msg_peer *peer, int fd)
{
	if (s->there)
		chan_done(&s->chan);
	s->there = true;
	s->missed = false;
	chan_init(&s->chan, s->loop, fd, ROLE_AUTH, ROLE_STATE, peer->serial, &state_ops, s);
	for (struct state_job *j = s->first; j; j = j->next)
		send_job(s, j);
}

void states_ask(struct states *s, struct state_job *j)
{
	if (s->missed && !s->there) {
		go_without(s, j);
		return;
	}
	j->next = NULL;
	j->since_ms = clock_ms();
	*s->end = j;
	s->end = &j->next;
	if (!ev_is_active(&s->look))
		ev_timer_again(s->loop, &s->look);
	send_job(s, j);
}

void states_settle(struct states *s, uint64_t reservation, enum settle_how how)
{
	struct msg_settle m = {.reservation = reservation, .how = (uint32_t)how};

	if (reservation > 0 && s->there)
		(void)chan_send(&s->chan, MSG_SETTLE,
				&(struct chan_out){.payload = &m}); /* where it is lost, it counts as a login */
}
