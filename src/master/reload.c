/* master/reload.c - see reload.h */
#include "master/reload.h"

#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/old_line.h"
#include "master/activation.h"
#include "master/notify.h"
#include "master/prepare.h"
#include "master/reading.h"
#include "master/revive.h"
#include "master/tell.h"

/* For a generation to serve, and for the one before it to stop accepting: they have limits of their own. */
static const double start_s = 60;

static struct generation *generation_free(struct keeper *k)
{
	for (unsigned i = 0; i < k->commons.generations; i++)
		if (k->generation[i].pid == 0)
			return &k->generation[i];
	return NULL;
}

static void patience_start(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	ev_timer_set(&k->patience, start_s, 0.);
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

static const struct chan_ops generation_ops;

/* The processes of a configuration. */
static enum err come(struct keeper *k, struct conf *cf, struct listeners *listeners, struct why *why)
{
	struct generation *g = generation_free(k);

	if (!g)
		return fail(why, ERR_TEMP, "sessions of %u earlier configurations go on, and there may be no more",
			    generations_count(k));
	struct generation_setup setup = {
		.loop = k->loop,
		.signal = k->signal,
		.signals = KEEPER_SIGNALS,
		.ops = &generation_ops,
		.cf = cf,
		.listeners = listeners,
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

/* Its servers come first. */
enum err reload_begin(struct keeper *k, struct why *why)
{
	const struct listeners *old = k->cf ? &k->listeners : NULL;

	if (activation_check(k->new_cf, why) != OK || listeners_open(&k->new_listeners, k->new_cf, old, why) != OK)
		return ERR_TEMP;
	return come(k, k->new_cf, &k->new_listeners, why);
}

enum err reload_revive(struct keeper *k, struct why *why)
{
	return come(k, k->cf, &k->listeners, why);
}

void reload_failed(struct keeper *k, const char *reason)
{
	listeners_close(&k->new_listeners, &k->listeners);
	conf_free(k->new_cf);
	k->new_cf = NULL;
	log_line(LOG_ERR, "configuration not reloaded, the one before stays in force: %s", reason);
	status_tell(k, "Configuration not reloaded (see the log); the one before stays in force");
	if (k->again)
		reload_start(k);
	else if (!k->current)
		revive_later(k);
}

void reload_done(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	k->leaving = NULL;
	if (k->stopping)
		return;
	log_line(LOG_INFO, "configuration reloaded");
	status_tell(k, "Configuration reloaded");
	if (k->again)
		reload_start(k);
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
		reload_start(k);
}

/* It serves what was in force already. */
static void came_again(struct keeper *k)
{
	ev_timer_stop(k->loop, &k->patience);
	revived(k);
	if (k->again)
		reload_start(k);
}

/* It serves a new configuration, at the start or behind `old`; NULL: whose master has died meanwhile. */
static void came(struct keeper *k, struct generation *old)
{
	struct conf *cf = k->cf;

	listeners_close(&k->listeners, &k->new_listeners);
	k->listeners = k->new_listeners;
	k->new_listeners = (struct listeners){0};
	k->cf = k->new_cf;
	k->new_cf = NULL;
	pidfile_follow(k);
	if (!cf) {
		started(k);
		return;
	}
	tell_setup(k->cf);
	conf_free(cf);
	k->leaving = old;
	if (!old) {
		reload_done(k);
		return;
	}
	patience_start(k);
	generation_leave(old, LEAVE_CLIENTS);
}

static enum err on_ready(struct chan *ch, struct msg *msg, struct why *why)
{
	struct generation *g = ch->owner, *old;
	struct keeper *k = g->keeper;

	(void)msg;
	if (g != k->coming)
		return fail(why, ERR_PERM, "it was ready before");
	g->ready = true;
	old = k->current;
	k->current = g;
	k->coming = NULL;
	if (k->stopping)
		return OK; /* it has been told */
	if (k->new_cf)
		came(k, old);
	else
		came_again(k);
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

void reload_start(struct keeper *k)
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
	if (k->new_cf->mode != MODE_DAEMON) {
		reload_failed(k, "it asks for another mode than daemon");
		return;
	}
	notices_tell(k->new_cf);
	if (reload_begin(k, &why) != OK)
		reload_failed(k, why.text);
}
