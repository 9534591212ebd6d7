/* auth/search.c - see search.h */
#include "auth/search.h"

#include <stdlib.h>
#include <string.h>

#include "auth/mod_remote.h"
#include "base/log.h"

/* One that waits. */
struct search {
	struct question q; /* first: this is how pools know it */
	struct searches *all;
	struct walk w;
	struct search_ask ask;
	void (*done)(void *arg, const struct search_end *end);
	void *arg;
	char login[NAME_MOST];
};

static void end_of(struct walk *w, struct record *r, struct search_end *end)
{
	if (w->err != OK)
		r->source = NULL; /* of a module that had begun with it */
	*end = (struct search_end){r, w->err, &w->why};
}

bool search_try(struct searches *s, const struct search_ask *ask, struct walk *w, struct record *r,
		struct search_end *end)
{
	struct query q = {.login = ask->login, .local = &ask->local, .by_uid = ask->by_uid};

	walk_begin(w, ask->login);
	if (chain_walk(&s->chain, w, &q, r) == WALK_ASK)
		return false;
	end_of(w, r, end);
	return true;
}

/* With the record of the last answer, or without. */
static void search_end(struct search *s, struct record *r)
{
	struct search_end end;

	end_of(&s->w, r, &end);
	s->done(s->arg, &end);
	explicit_bzero(r->text, sizeof r->text);
	free(s);
}

static void on_answer(struct question *q, const struct looked *l);

/* To the next module that must be asked, or to the end. */
static void search_go_on(struct search *s, struct record *r)
{
	struct query local = {.login = s->ask.login, .local = &s->ask.local, .by_uid = s->ask.by_uid};

	while (chain_walk(&s->all->chain, &s->w, &local, r) == WALK_ASK) {
		const struct auth_module *m = s->all->chain.authorization[s->w.at].module;
		struct pool *p = pools_find(&s->all->pools, m->name);
		struct why why;

		if (p) {
			s->q = (struct question){.what = s->ask.by_uid ? LOOK_UID : LOOK_RECORD,
						 .wants_secret = s->ask.wants_secret || chain_checks(&s->all->chain, m),
						 .log_id = s->ask.log_id,
						 .client = s->ask.client,
						 .login = s->ask.login,
						 .answer = on_answer};
			pool_ask(p, &s->q);
			return;
		}
		walk_note(&s->w, m, fail(&why, ERR_TEMP, "%s: it has no processes", m->name), &why);
	}
	search_end(s, r);
}

/* ERR_TEMP and the like: others are asked all the same. */
static void on_answer(struct question *q, const struct looked *l)
{
	struct search *s = (struct search *)q;
	const struct auth_module *m = s->all->chain.authorization[s->w.at].module;
	struct record r = {0};
	struct why why = l->why;
	enum err err = l->err;

	if (err == OK)
		err = remote_record(m, s->all->conf, s->ask.login, l, &r, &why);
	walk_note(&s->w, m, err, &why);
	if (err == OK) {
		r.source = m;
		search_end(s, &r);
	} else {
		search_go_on(s, &r);
	}
}

bool search_start(struct searches *all, const struct search_ask *ask, const struct walk *w,
		  void (*done)(void *arg, const struct search_end *end), void *arg)
{
	struct search *s = ask->login.n <= NAME_MOST ? calloc(1, sizeof *s) : NULL;
	struct record r = {0};

	if (!s)
		return false;
	s->all = all;
	s->ask = *ask;
	s->done = done;
	s->arg = arg;
	if (ask->login.n > 0)
		memcpy(s->login, ask->login.p, ask->login.n);
	s->ask.login.p = s->login;
	if (w)
		s->w = *w;
	else
		walk_begin(&s->w, ask->login);
	search_go_on(s, &r);
	return true;
}
