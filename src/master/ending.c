/* master/ending.c - see ending.h */
#include "master/ending.h"

#include <signal.h>
#include <sysexits.h>

#include "master/child.h"
#include "master/external.h"
#include "master/spares.h"

enum { END_S = 30 }; /* for commits under way, and for processes that were told to end */

void ending_kill(struct master *m, int sig)
{
	for (enum role r = ROLE_FRONT; r < ROLE_COUNT; r++)
		for (unsigned i = 0; i < m->pool[r].n; i++)
			if (child_runs(&m->pool[r].child[i]))
				(void)kill(m->pool[r].child[i].pid, sig);
	if (m->nursery.pid > 0)
		(void)kill(m->nursery.pid, sig);
}

void patience_set(struct master *m, double seconds)
{
	ev_timer_stop(m->loop, &m->patience);
	ev_timer_set(&m->patience, seconds, 0.);
	ev_timer_start(m->loop, &m->patience);
}

void ending_stop(struct master *m, int status)
{
	if (m->stopping)
		return;
	m->stopping = true;
	m->status = status;
	listeners_let_go(&m->listeners);
	spares_close(m);
	for (enum role r = ROLE_FRONT; r < ROLE_COUNT; r++)
		for (unsigned i = 0; i < m->pool[r].n; i++)
			if (child_runs(&m->pool[r].child[i]))
				child_let_go(&m->pool[r].child[i]);
	patience_set(m, END_S);
	externals_stop(m);
}

unsigned fronts_count(const struct master *m, bool taking)
{
	const struct pool *fronts = &m->pool[ROLE_FRONT];
	unsigned n = 0;

	for (unsigned i = 0; i < fronts->n; i++)
		n += child_runs(&fronts->child[i]) && !(taking && fronts->child[i].left);
	return n;
}

void ending_front_left(struct master *m)
{
	if (fronts_count(m, true) == 0 && m->keeper_fd >= 0)
		(void)chan_send(&m->keeper, MSG_LEFT, NULL); /* without a keeper we are at our end anyway */
	if (fronts_count(m, false) == 0)
		ending_stop(m, EX_OK);
}

void ending_leave(struct master *m, enum leave stay)
{
	const struct pool *fronts = &m->pool[ROLE_FRONT];
	struct msg_leave message = {.stay = stay};
	struct chan_out out = {.payload = &message};

	if (m->stopping || (m->leaving && stay <= m->stay))
		return;
	if (m->starting) {
		ending_stop(m, EX_TEMPFAIL);
		return;
	}
	m->leaving = true;
	m->stay = stay;
	spares_close(m);
	listeners_let_go(&m->listeners);
	for (unsigned i = 0; i < fronts->n; i++)
		if (child_runs(&fronts->child[i]))
			(void)chan_send(&fronts->child[i].chan, MSG_LEAVE, &out); /* one that ends leaves too */
	if (stay != LEAVE_CLIENTS)
		patience_set(m, stay == LEAVE_SESSIONS ? (double)m->cf->shutdown_timeout.n : END_S);
	ending_front_left(m);
}
