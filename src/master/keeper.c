/* master/keeper.c - see keeper.h */
#include "master/keeper.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/old_line.h"
#include "master/activation.h"
#include "master/notify.h"
#include "master/prepare.h"
#include "master/reload.h"
#include "master/revive.h"
#include "master/tell.h"

unsigned generations_count(const struct keeper *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->commons.generations; i++)
		n += k->generation[i].pid != 0;
	return n;
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
		reload_start(k);
}

/* Those of the configuration in force. */
static void on_counts_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	if (k->current)
		(void)chan_send(&k->current->chan, MSG_COUNTS, NULL); /* one that ends has nothing to tell */
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
	ev_timer_stop(k->loop, &k->revive);
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
	if (!k->cf)
		stop(k, LEAVE_COMMITS, code);
	else if (!k->new_cf)
		revive_later(k);
	else
		reload_failed(k, k->reason.text[0] ? k->reason.text : "its master ended before it was ready");
}

/* Its sessions ended with it. */
static void current_ended(struct keeper *k)
{
	k->current = NULL;
	if (k->stopping)
		return;
	log_line(LOG_ERR, "the master of the configuration in force has ended, and its sessions with it");
	if (!k->coming)
		revive_later(k);
}

static void generation_ended(struct generation *g, int status)
{
	struct keeper *k = g->keeper;

	generation_end(g, &k->commons);
	if (g == k->coming) {
		coming_ended(k, WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EX_SOFTWARE);
	} else if (g == k->current) {
		current_ended(k);
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
	} signals[KEEPER_SIGNALS] = {
		{SIGCHLD, on_child_signal}, {SIGTERM, on_stop_signal},  {SIGINT, on_stop_signal},
		{SIGQUIT, on_stop_signal},  {SIGHUP, on_reload_signal}, {SIGUSR1, on_counts_signal},
	};

	for (size_t i = 0; i < KEEPER_SIGNALS; i++) {
		ev_signal_init(&k->signal[i], signals[i].on, signals[i].number);
		/* Behind the messages: what a master said (that it serves) counts before its end, or ours. */
		ev_set_priority(&k->signal[i], EV_MINPRI);
		k->signal[i].data = k;
		ev_signal_start(k->loop, &k->signal[i]);
	}
	revive_init(k);
	ev_timer_init(&k->patience, on_patience, 0., 0.);
	ev_timer_init(&k->ticket_key, on_ticket_key, TICKETS_PERIOD_S, TICKETS_PERIOD_S);
	k->patience.data = k->ticket_key.data = k;
	log_again_init(&k->log_again, k->loop, NULL, NULL);
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

	notices_tell(k->new_cf);
	umask(007);
	if (!path_keep(&k->cl.source.config_file, k->config_file) || !path_keep(&k->cl.source.site_file, k->site_file))
		return fail_start(k, EX_OSERR, "the working directory cannot be found, or its name is too long");
	if (activation_check(k->new_cf, &why) != OK)
		return fail_start(k, EX_CONFIG, why.text);
	if (!k->new_cf->foreground && daemon_detach(&k->daemon, &why) != OK)
		return fail_start(k, EX_OSERR, why.text);
	if (commons_open(&k->commons, GENERATIONS_MOST, auth_penalties_octets(), &why) != OK)
		return fail_start(k, EX_OSERR, why.text);
	k->loop = ev_loop_new(EVFLAG_AUTO);
	if (!k->loop)
		return fail_start(k, EX_OSERR, "cannot make an event loop");
	watch(k);
	if (reload_begin(k, &why) != OK)
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
