/* access/requests.c - see requests.h */
#include "access/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "conf/acl.h"

enum { PLACE_MOST = 256 };

/* Seconds: for programs that nobody waits for, when we end; and then for the kernel to kill them. */
static const double END = 5, KILL = 1;

struct request {
	struct request *next, **at; /* of those that run, or wait */
	struct requests *all;
	struct asker *front; /* NULL: it has gone, or was answered, or its client has gone, who is not to be told */
	bool decides;        /* the front waits for the answer */
	bool runs;
	uint64_t job, log_id, key; /* as in `ask', and of its client */
	const struct conf_acl_rule *rule;
	struct msg_ask ask;
	struct program program;
	ev_timer limit; /* of waiting, then of running */
};

static void put_in(struct request **at, struct request *r)
{
	r->at = at;
	r->next = *at;
	if (r->next)
		r->next->at = &r->next;
	*at = r;
}

static void take_out(struct request *r)
{
	struct requests *q = r->all;

	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	else if (!r->runs)
		q->waiting_end = r->at;
	if (r->runs)
		q->runs--;
	else if (r->front)
		r->front->waiting--;
}

static void request_free(struct request *r)
{
	const struct requests *q = r->all;

	take_out(r);
	ev_timer_stop(q->loop, &r->limit);
#ifndef __clang_analyzer__ /* which does not see that r is in no list any more */
	free(r);
#endif
	if (q->leaving && q->runs == 0)
		ev_break(q->loop, EVBREAK_ALL);
}

static void answer(struct asker *front, uint64_t job, bool allowed, const char *reason)
{
	struct msg_verdict verdict = {.job = job, .allowed = allowed};

	/* A channel that is lost says so from the loop. */
	(void)chan_send(&front->chan, MSG_VERDICT,
			&(struct chan_out){.payload = &verdict, .bulk = {slice_str(reason)}});
	if (!front->paused && chan_queued(&front->chan) > 0) {
		front->paused = true;
		chan_pause(&front->chan, true);
	}
}

/* Once: what comes behind it is for nobody. */
static void decide(struct request *r, bool allowed, const char *reason)
{
	if (r->front && r->decides)
		answer(r->front, r->job, allowed, reason);
	if (r->front && !r->runs)
		r->front->waiting--;
	r->front = NULL;
}

/* What keeps the program of an entry from deciding; the client is denied. */
static void fault_log(const struct conf_acl_rule *r, const char *what)
{
	char place[PLACE_MOST];

	log_line(LOG_ERR, "%s: %s %s", acl_place(r, place, sizeof place), r->word[0], what);
}

/* ---- running ---- */

static unsigned runs_of_address(const struct requests *q, uint64_t key)
{
	unsigned n = 0;

	for (const struct request *r = q->running; r; r = r->next)
		n += r->key == key;
	return n;
}

static void limit_set(struct request *r)
{
	ev_timer_stop(r->all->loop, &r->limit);
	ev_timer_set(&r->limit, (double)r->all->conf->acl_timeout.n, 0.);
	ev_timer_start(r->all->loop, &r->limit);
}

/* r waits; it runs, or is gone behind this call. */
static void request_start(struct request *r)
{
	struct requests *q = r->all;
	struct why why = {""};

	debug(TOPIC_ACL, DEBUG_TRACE2, "running %s", r->rule->word[0]);
	if (program_start(&r->program, q->loop, r->rule, &r->ask, &why) != OK) {
		fault_log(r->rule, why.text);
		decide(r, false, "its program could not be started");
		request_free(r);
		return;
	}
	take_out(r);
	r->runs = true;
	q->runs++;
	put_in(&q->running, r);
	limit_set(r);
}

/* Those whose turn it is. */
static void start_some(struct requests *q)
{
	struct request *next;

	for (struct request *r = q->waiting; r && q->runs < REQUESTS_RUN_MOST; r = next) {
		next = r->next;
		if (runs_of_address(q, r->key) >= REQUESTS_RUN_ADDRESS)
			continue;
		log_session(r->log_id);
		request_start(r);
	}
	log_session(0);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct request *r = w->data;
	char text[96];

	(void)loop;
	(void)revents;
	log_session(r->log_id);
	(void)snprintf(text, sizeof text,
		       r->runs ? "is killed: it has run for %llu seconds"
			       : "was not run: all were busy for %llu seconds",
		       (unsigned long long)r->all->conf->acl_timeout.n);
	fault_log(r->rule, text);
	decide(r, false, r->runs ? "its program took too long" : "its program was not run in time");
	if (r->runs)
		program_kill(&r->program); /* and its end is still to come */
	else
		request_free(r);
	log_session(0);
}

static void request_ended(struct request *r)
{
	char text[64];
	int status;

	log_session(r->log_id);
	status = program_end(&r->program);
	if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof text, "its program was killed by signal %d", WTERMSIG(status));
	else if (r->rule->action == ACL_WRAPPERS)
		(void)snprintf(text, sizeof text, "the tables say %s", WEXITSTATUS(status) == 0 ? "yes" : "no");
	else
		(void)snprintf(text, sizeof text, "its program ended with status %d", WEXITSTATUS(status));
	debug(TOPIC_ACL, DEBUG_TRACE2, "%s: %s", r->rule->word[0], text);
	decide(r, WIFEXITED(status) && WEXITSTATUS(status) == 0, text);
	request_free(r);
	log_session(0);
}

static struct request *request_of(const struct requests *q, pid_t pid)
{
	struct request *r = q->running;

	while (r && r->program.pid != pid)
		r = r->next;
	return r;
}

/* A program that has ended stays in the table of processes until its group is killed, since its number is the group's. Others are what
 * programs have left behind: they are ours, as the nearest who takes such in, and only to be taken away. */
static void on_child(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct requests *q = w->data;
	siginfo_t info = {.si_pid = 0};

	(void)loop;
	(void)revents;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		struct request *r = request_of(q, info.si_pid);

		if (r)
			request_ended(r);
		else
			(void)waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
	if (!q->leaving)
		start_some(q);
}

/* ---- asking ---- */

static bool has_room(const struct asker *front, uint64_t key)
{
	unsigned n = 0;

	for (const struct request *r = front->requests->waiting; r; r = r->next)
		n += r->front == front && r->key == key;
	return front->waiting < REQUESTS_WAIT_MOST && n < REQUESTS_WAIT_ADDRESS;
}

static void refuse(struct asker *front, const struct msg_ask *ask, const struct conf_acl_rule *rule, const char *what,
		   const char *reason)
{
	fault_log(rule, what);
	if (acl_decides(rule))
		answer(front, ask->job, false, reason);
}

enum err requests_ask(struct asker *front, const struct msg_ask *ask, struct why *why)
{
	struct requests *q = front->requests;
	const struct conf_acl *acl = acl_find(q->conf, ask->server);
	const struct conf_acl_rule *rule = acl && ask->rule < acl->n ? &acl->rule[ask->rule] : NULL;
	uint64_t key = address_key(&ask->client);

	if (!rule || rule->words == 0 || !acl_means(rule, &ask->client))
		return fail(why, ERR_PERM, "it asks for an entry that has no program for this client");
	log_session(ask->log_id);
	if (!has_room(front, key)) {
		refuse(front, ask, rule, "is not run: too many clients wait for programs",
		       "too many wait for programs");
		return OK;
	}
	struct request *r = malloc(sizeof *r);

	if (!r) {
		refuse(front, ask, rule, "is not run: no memory", "no memory");
		return OK;
	}
	*r = (struct request){.all = q,
			      .front = front,
			      .decides = acl_decides(rule),
			      .job = ask->job,
			      .log_id = ask->log_id,
			      .key = key,
			      .rule = rule,
			      .ask = *ask};
	ev_timer_init(&r->limit, on_limit, 0., 0.);
	r->limit.data = r;
	put_in(q->waiting_end, r);
	q->waiting_end = &r->next;
	front->waiting++;
	limit_set(r);
	start_some(q);
	return OK;
}

/* Nobody waits for it any more. */
static void request_drop(struct request *r)
{
	if (r->runs) {
		r->front = NULL;
		program_kill(&r->program); /* and its end is still to come */
	} else {
		request_free(r);
	}
}

static void drop_if(struct request *first, const struct asker *front, const uint64_t *job)
{
	for (struct request *r = first, *next; r; r = next) {
		next = r->next;
		if (r->front == front && r->decides && (!job || r->job == *job))
			request_drop(r);
	}
}

void requests_withdraw(const struct asker *front, uint64_t job)
{
	drop_if(front->requests->waiting, front, &job);
	drop_if(front->requests->running, front, &job);
}

void requests_forget(struct asker *front)
{
	drop_if(front->requests->waiting, front, NULL);
	drop_if(front->requests->running, front, NULL);
	for (struct request *r = front->requests->waiting; r; r = r->next)
		r->front = r->front == front ? NULL : r->front;
	for (struct request *r = front->requests->running; r; r = r->next)
		r->front = r->front == front ? NULL : r->front;
}

/* ---- start and end ---- */

static void kill_all(const struct requests *q, bool deciding_only)
{
	for (const struct request *r = q->running; r; r = r->next)
		if (r->decides || !deciding_only)
			program_kill(&r->program);
}

/* First for those who had some seconds to end, then for those whom the kernel does not kill at once. */
static void on_end(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct requests *q = w->data;

	(void)revents;
	if (q->killed) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	q->killed = true;
	kill_all(q, false);
	w->repeat = KILL;
	ev_timer_again(loop, w);
}

bool requests_open(struct requests *q, struct ev_loop *loop, const struct conf *cf)
{
	*q = (struct requests){.loop = loop, .conf = cf};
	q->waiting_end = &q->waiting;
	ev_signal_init(&q->child, on_child, SIGCHLD);
	ev_timer_init(&q->end, on_end, END, END);
	q->child.data = q->end.data = q;
	ev_signal_start(loop, &q->child);
	return ev_is_active(&q->child);
}

void requests_leave(struct requests *q)
{
	if (q->leaving)
		return;
	q->leaving = true;
	while (q->waiting)
		request_free(q->waiting);
	kill_all(q, true);
	ev_timer_again(q->loop, &q->end);
	if (q->runs == 0)
		ev_break(q->loop, EVBREAK_ALL);
}

void requests_done(struct requests *q)
{
	while (q->waiting)
		request_free(q->waiting);
	while (q->running) {
		program_kill(&q->running->program);
		request_free(q->running);
	}
	ev_timer_stop(q->loop, &q->end);
	ev_signal_stop(q->loop, &q->child);
}
