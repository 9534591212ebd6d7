/* master/spares.c - see spares.h */
#include "master/spares.h"

#include <openssl/evp.h>

#include "base/log.h"
#include "master/child.h"
#include "master/owners.h"
#include "master/syscalls.h"

static const double failure_s = 10; /* before the next try: what went wrong does so again */
static const double taken_s = 0.1;  /* until the one that was taken has set itself up, undisturbed by another fork */

static void pause_refill(struct master *m, double seconds)
{
	ev_idle_stop(m->loop, &m->spares.idle);
	m->spares.pause.repeat = seconds;
	ev_timer_again(m->loop, &m->spares.pause);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	ev_idle_start(loop, &m->spares.idle);
}

/* One at a time: between two of them whatever has happened is seen to. */
static void on_idle_loop(struct ev_loop *loop, ev_idle *w, int revents)
{
	struct master *m = w->data;
	struct why why = {"there is no place for one"};

	(void)revents;
	if (m->spares.n == m->spares.most || nursery_ends(m)) {
		ev_idle_stop(loop, w);
		return;
	}
	struct child *c = nursery_open(m, &why) == OK ? place_take(m) : NULL;

	if (c && child_start_spare(c, &why) == OK) {
		m->spares.child[m->spares.n++] = c;
		return;
	}
	log_line(LOG_WARNING, "cannot start a spare store worker: %s", why.text);
	if (c)
		place_give(m, c);
	pause_refill(m, failure_s);
}

void spares_open(struct master *m)
{
	struct spares *s = &m->spares;
	struct why why;

	ev_idle_init(&s->idle, on_idle_loop);
	ev_set_priority(&s->idle, EV_MINPRI);
	ev_init(&s->pause, on_pause_over);
	s->idle.data = s->pause.data = m;
	s->most = !m->privileged || m->cf->mode != MODE_DAEMON ? 0 : m->cf->single_process ? 1 : SPARES;
	if (s->most == 0)
		return;
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL)); /* its library is ready in all workers then */
	if (syscalls_prepare(&why) != OK)
		log_line(LOG_WARNING, "each store worker makes its own: %s", why.text);
	ev_idle_start(m->loop, &s->idle);
}

static void all_let_go(struct master *m)
{
	while (m->spares.n > 0)
		child_let_go(m->spares.child[--m->spares.n]);
	nursery_close(m);
}

void spares_close(struct master *m)
{
	struct spares *s = &m->spares;

	s->most = 0;
	ev_idle_stop(m->loop, &s->idle);
	ev_timer_stop(m->loop, &s->pause);
	all_let_go(m);
}

/* Goes on when the nursery's end is told. */
void spares_renew(struct master *m)
{
	if (m->nursery.pid == 0)
		return;
	ev_idle_stop(m->loop, &m->spares.idle);
	all_let_go(m);
}

void spares_nursery_ended(struct master *m, int status)
{
	bool had_use = m->nursery.has_forked;

	nursery_ended(m, status);
	if (m->spares.most > 0)
		pause_refill(m, had_use ? taken_s : failure_s);
}

struct child *spares_take(struct master *m)
{
	struct spares *s = &m->spares;

	if (s->n == 0)
		return NULL;
	if (!ev_is_active(&s->pause))
		pause_refill(m, taken_s);
	return s->child[--s->n];
}

void spares_lost(struct master *m, const struct child *c)
{
	struct spares *s = &m->spares;

	for (unsigned i = 0; i < s->n; i++)
		if (s->child[i] == c)
			s->child[i--] = s->child[--s->n];
	if (s->most > 0)
		pause_refill(m, c->early > 0 ? failure_s : taken_s);
}
