/* master/keeper.c - see keeper.h */
#include "master/keeper.h"

#include <ev.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/old_line.h"
#include "master/activation.h"
#include "master/daemon.h"
#include "master/generation.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "master/prepare.h"
#include "master/reading.h"
#include "master/tell.h"

enum {
	SIGNALS = 5,
	LOG_AGAIN_S = 2, /* between tries to reach the system's log */
	START_S =
		60, /* for a generation to serve, and for the one before it to stop accepting: it has limits of its own */
};

struct keeper {
	struct cmdline cl;
	char config_file[PATH_MAX], site_file[PATH_MAX];
	struct ev_loop *loop;
	struct conf *cf; /* in force */
	struct listeners listeners;
	struct commons commons;
	struct generation generation[GENERATIONS_MOST];
	struct generation *current; /* serves new clients */
	/* a start or a reload under way: */
	struct generation *coming;  /* is to take the current one's place */
	struct generation *leaving; /* has been told to leave the doors to the current one */
	struct conf *new_cf;
	struct listeners new_listeners;
	struct why reason; /* why `coming` cannot serve, where it said so */
	bool again;        /* another reload is wanted behind this one */

	unsigned generations; /* so far */
	bool stopping;
	enum leave stay; /* while stopping: who may */
	int status;      /* to exit with */
	struct daemon daemon;
	struct pidfile pidfile;
	ev_signal signal[SIGNALS];
	ev_timer patience;   /* while one is coming or leaving */
	ev_timer ticket_key; /* the next */
	ev_timer log_again;  /* while the system's log is not there */
};

static void reload(struct keeper *k);

/* --- generations ------------------------------------------------------------------------------------------------ */

static struct generation *generation_free(struct keeper *k)
{
	for (unsigned i = 0; i < k->commons.generations; i++)
		if (k->generation[i].pid == 0)
			return &k->generation[i];
	return NULL;
}

static unsigned generations_count(const struct keeper *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->commons.generations; i++)
		n += k->generation[i].pid != 0;
	return n;
}

static void patience_start(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	ev_timer_set(&k->patience, START_S, 0.);
	ev_timer_start(k->loop, &k->patience);
}

static void status_tell(const struct keeper *k, const char *what)
{
	unsigned old = generations_count(k) - (k->current ? 1 : 0);

	if (old > 0)
		notify("READY=1\nSTATUS=%s; sessions of %u earlier configurations go on", what, old);
	else
		notify("READY=1\nSTATUS=%s", what);
}

/* --- a start, or a reload --------------------------------------------------------------------------------------- */

static const struct chan_ops generation_ops;

/* Servers of the configuration that is coming, and its processes. */
static enum err generation_begin(struct keeper *k, struct why *why)
{
	const struct listeners *old = k->current ? &k->listeners : NULL;
	struct generation *g = generation_free(k);

	if (!g)
		return fail(why, ERR_TEMP, "sessions of %u earlier configurations go on, and there may be no more",
			    generations_count(k));
	if (activation_check(k->new_cf, why) != OK || listeners_open(&k->new_listeners, k->new_cf, old, why) != OK)
		return ERR_TEMP;
	struct generation_setup setup = {
		.loop = k->loop,
		.signal = k->signal,
		.signals = SIGNALS,
		.ops = &generation_ops,
		.cf = k->new_cf,
		.listeners = &k->new_listeners,
		.commons = &k->commons,
		.number = k->generations++,
		.report = k->daemon.report,
	};

	if (generation_start(g, &setup, why) != OK)
		return ERR_TEMP;
	k->coming = g;
	k->reason.text[0] = '\0';
	patience_start(k);
	return OK;
}

/* What is in force stays. */
static void reload_failed(struct keeper *k, const char *reason)
{
	listeners_close(&k->new_listeners, &k->listeners);
	conf_free(k->new_cf);
	k->new_cf = NULL;
	log_line(LOG_ERR, "configuration not reloaded, the one before stays in force: %s", reason);
	status_tell(k, "Configuration not reloaded (see the log); the one before stays in force");
	if (k->again)
		reload(k);
}

/* Every client that comes now is served by the new configuration. */
static void reload_done(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	k->leaving = NULL;
	if (k->stopping)
		return;
	log_line(LOG_INFO, "configuration reloaded");
	status_tell(k, "Configuration reloaded");
	if (k->again)
		reload(k);
}

/* Where it has not changed, the file stays as it is. */
static void pidfile_follow(struct keeper *k)
{
	const char *path = k->cf->pidfile;
	struct why why = {""};

	if (k->pidfile.path && path && strcmp(k->pidfile.path, path) == 0) {
		k->pidfile.path = path;
		return;
	}
	pidfile_remove(&k->pidfile);
	if (path && pidfile_write(&k->pidfile, path, &why) != OK)
		tell(LOG_ERR, "%s", why.text);
}

static void started(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	tell_started();
	daemon_started(&k->daemon, EX_OK);
	log_line(LOG_INFO, "pop3d (Poplar %s) started", POPLAR_VERSION);
	notify("READY=1\nMAINPID=%ld\nSTATUS=Serving", (long)getpid());
	if (k->again)
		reload(k);
}

static enum err on_ready(struct chan *ch, struct msg *msg, struct why *why)
{
	struct generation *g = ch->owner, *old;
	struct keeper *k = g->keeper;
	struct conf *cf = k->cf;

	(void)msg;
	if (g != k->coming)
		return fail(why, ERR_PERM, "it was ready before");
	g->ready = true;
	old = k->current;
	k->current = g;
	k->coming = NULL;
	if (k->stopping)
		return OK; /* it has been told */
	listeners_close(&k->listeners, &k->new_listeners);
	k->listeners = k->new_listeners;
	k->new_listeners = (struct listeners){0};
	k->cf = k->new_cf;
	k->new_cf = NULL;
	pidfile_follow(k);
	if (!old) {
		started(k);
		return OK;
	}
	tell_setup(k->cf);
	conf_free(cf);
	k->leaving = old;
	patience_start(k);
	generation_leave(old, LEAVE_CLIENTS);
	return OK;
}

static enum err on_left(struct chan *ch, struct msg *msg, struct why *why)
{
	struct generation *g = ch->owner;

	(void)msg;
	(void)why;
	if (g == g->keeper->leaving)
		reload_done(g->keeper);
	return OK;
}

/* Its end, which follows, is what counts. */
static enum err on_failed(struct chan *ch, struct msg *msg, struct why *why)
{
	struct generation *g = ch->owner;
	struct keeper *k = g->keeper;

	if (g != k->coming || !slice_cstr(msg->bulk, k->reason.text, sizeof k->reason.text))
		return fail(why, ERR_PERM, "it has not failed");
	return OK;
}

/* Its end is told by SIGCHLD. */
static void on_generation_closed(struct chan *ch, const char *reason)
{
	const struct generation *g = ch->owner;

	if (reason) {
		log_line(LOG_ERR, "master %ld is ended: %s", (long)g->pid, reason);
		(void)kill(g->pid, SIGKILL);
	}
	chan_done(ch);
}

static const struct chan_ops generation_ops = {
	.on = {[MSG_READY] = on_ready, [MSG_LEFT] = on_left, [MSG_FAILED] = on_failed},
	.closed = on_generation_closed,
};

static void reload(struct keeper *k)
{
	struct why why = {""};
	struct timespec now = {0};

	k->again = false;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading the configuration again",
	       (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	if (configuration_read(&k->cl, &k->new_cf) != CMDLINE_GO) {
		reload_failed(k, "it has errors");
		return;
	}
	k->new_cf->foreground = k->cf->foreground; /* that is not to be changed any more */
	if (k->new_cf->mode != MODE_DAEMON)
		reload_failed(k, "it asks for another mode than daemon");
	else if (notices_tell(k->new_cf) != EX_OK)
		reload_failed(k, "it asks for what is not honoured yet");
	else if (generation_begin(k, &why) != OK)
		reload_failed(k, why.text);
}

static void on_reload_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	if (k->stopping)
		return;
	if (k->coming || k->leaving)
		k->again = true;
	else
		reload(k);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void generations_leave(struct keeper *k, enum leave stay)
{
	k->stay = stay;
	for (unsigned i = 0; i < k->commons.generations; i++)
		if (k->generation[i].pid != 0)
			generation_leave(&k->generation[i], stay);
}

static void stop(struct keeper *k, enum leave stay, int status)
{
	k->stopping = true;
	k->status = status;
	ev_timer_stop(k->loop, &k->patience);
	notify("STOPPING=1\nSTATUS=Ending; sessions may finish");
	listeners_close(&k->new_listeners, &k->listeners);
	listeners_close(&k->listeners, NULL);
	generations_leave(k, stay);
	if (generations_count(k) == 0)
		ev_break(k->loop, EVBREAK_ALL);
}

static void generations_kill(const struct keeper *k)
{
	for (unsigned i = 0; i < k->commons.generations; i++)
		if (k->generation[i].pid != 0)
			(void)kill(k->generation[i].pid, SIGKILL); /* its children die with it */
}

/* Another one means: sooner. */
static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	if (!k->stopping) {
		daemon_started(&k->daemon, EX_TEMPFAIL); /* whoever waits for it to serve */
		(void)old_line(OLD_SIGNAL, OLD(slice_str(strsignal(w->signum))));
		stop(k, LEAVE_SESSIONS, EX_OK);
	} else if (k->stay < LEAVE_COMMITS) {
		generations_leave(k, LEAVE_COMMITS);
	} else {
		generations_kill(k);
	}
}

/* A generation's limits of time have not helped: one of its processes hangs. */
static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	if (k->coming) {
		log_line(LOG_ERR, "master %ld does not come up: killing it", (long)k->coming->pid);
		(void)kill(k->coming->pid, SIGKILL);
	} else if (k->leaving) {
		log_line(LOG_ERR, "a front of the configuration before does not stop accepting");
		reload_done(k);
	}
}

static void on_log_lost(void *arg)
{
	struct keeper *k = arg;

	if (log_current()->form == LOG_TO_SYSLOG && !ev_is_active(&k->log_again))
		ev_timer_again(k->loop, &k->log_again);
}

static void on_log_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	if (log_current()->form != LOG_TO_SYSLOG || tell_reopen())
		ev_timer_stop(loop, w);
}

static void on_ticket_key(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = w->data;
	struct why why = {""};

	(void)loop;
	(void)revents;
	if (tickets_rotate(&k->commons.tickets, &why) != OK)
		log_line(LOG_ERR, "no new key for TLS tickets: %s", why.text);
}

static void coming_ended(struct keeper *k, int code)
{
	k->coming = NULL;
	ev_timer_stop(k->loop, &k->patience);
	if (k->stopping)
		return;
	if (!k->current)
		stop(k, LEAVE_COMMITS, code);
	else
		reload_failed(k, k->reason.text[0] ? k->reason.text : "its master ended before it was ready");
}

static void generation_ended(struct generation *g, int status)
{
	struct keeper *k = g->keeper;

	generation_end(g, &k->commons);
	if (g == k->coming) {
		coming_ended(k, WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EX_SOFTWARE);
	} else if (g == k->current) {
		k->current = NULL;
		if (!k->stopping) {
			log_line(LOG_ERR, "the master of the configuration in force has ended");
			stop(k, LEAVE_SESSIONS, EX_SOFTWARE);
		}
	} else if (g == k->leaving) {
		reload_done(k);
	}
	if (k->stopping && generations_count(k) == 0)
		ev_break(k->loop, EVBREAK_ALL);
}

static void on_child_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct keeper *k = w->data;
	int status;
	pid_t pid;

	(void)loop;
	(void)revents;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < k->commons.generations; i++)
			if (k->generation[i].pid == pid)
				generation_ended(&k->generation[i], status);
}

/* --- the beginning ---------------------------------------------------------------------------------------------- */

static void watch(struct keeper *k)
{
	static const struct {
		int number;
		void (*on)(struct ev_loop *, ev_signal *, int);
	} signals[SIGNALS] = {
		{SIGCHLD, on_child_signal}, {SIGTERM, on_stop_signal},  {SIGINT, on_stop_signal},
		{SIGQUIT, on_stop_signal},  {SIGHUP, on_reload_signal},
	};

	for (size_t i = 0; i < SIGNALS; i++) {
		ev_signal_init(&k->signal[i], signals[i].on, signals[i].number);
		/* Behind the messages: what a master said (that it serves) counts before its end, or ours. */
		ev_set_priority(&k->signal[i], EV_MINPRI);
		k->signal[i].data = k;
		ev_signal_start(k->loop, &k->signal[i]);
	}
	ev_timer_init(&k->patience, on_patience, START_S, 0.);
	ev_timer_init(&k->ticket_key, on_ticket_key, TICKETS_PERIOD_S, TICKETS_PERIOD_S);
	ev_timer_init(&k->log_again, on_log_again, LOG_AGAIN_S, LOG_AGAIN_S);
	k->patience.data = k->ticket_key.data = k->log_again.data = k;
	tell_on_lost(on_log_lost, k);
	ev_timer_start(k->loop, &k->ticket_key);
}

/* A daemon that has left its working directory must find its files again. */
static bool path_keep(const char **path, char kept[static PATH_MAX])
{
	char here[PATH_MAX];

	if (!*path || **path == '/')
		return true;
	if (!getcwd(here, sizeof here) || snprintf(kept, PATH_MAX, "%s/%s", here, *path) >= PATH_MAX)
		return false;
	*path = kept;
	return true;
}

static int fail_start(struct keeper *k, int status, const char *reason)
{
	tell(LOG_ERR, "%s", reason);
	k->status = status;
	return status;
}

static int keeper_start(struct keeper *k)
{
	struct why why = {""};
	int status = notices_tell(k->new_cf);

	if (status != EX_OK)
		return status;
	umask(007);
	if (!path_keep(&k->cl.source.config_file, k->config_file) || !path_keep(&k->cl.source.site_file, k->site_file))
		return fail_start(k, EX_OSERR, "the working directory cannot be found, or its name is too long");
	if (activation_check(k->new_cf, &why) != OK)
		return fail_start(k, EX_CONFIG, why.text);
	if (!k->new_cf->foreground && daemon_detach(&k->daemon, &why) != OK)
		return fail_start(k, EX_OSERR, why.text);
	if (commons_open(&k->commons, GENERATIONS_MOST, &why) != OK)
		return fail_start(k, EX_OSERR, why.text);
	k->loop = ev_loop_new(EVFLAG_AUTO);
	if (!k->loop)
		return fail_start(k, EX_OSERR, "cannot make an event loop");
	watch(k);
	if (generation_begin(k, &why) != OK)
		return fail_start(k, 1, why.text); /* as Mailutils */
	ev_run(k->loop, 0);
	return k->status;
}

int keeper_run(const struct cmdline *cl, struct conf *cf)
{
	static struct keeper k; /* its generations' masters borrow from it */

	k.cl = *cl;
	k.new_cf = cf;
	k.daemon.report = -1;
	for (unsigned i = 0; i < GENERATIONS_MOST; i++)
		k.generation[i] = (struct generation){.keeper = &k, .place = i, .chan.in.fd = -1};
	notify_open();
	int status = keeper_start(&k);

	pidfile_remove(&k.pidfile);
	listeners_close(&k.new_listeners, NULL);
	if (k.cf)
		log_line(LOG_INFO, "pop3d (Poplar %s) terminated", POPLAR_VERSION);
	daemon_started(&k.daemon, status);
	conf_free(k.cf);
	conf_free(k.new_cf);
	return status;
}
