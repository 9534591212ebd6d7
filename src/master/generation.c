/* master/generation.c - see generation.h */
#include "master/generation.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "master/fork.h"
#include "master/prepare.h"
#include "master/supervise.h"
#include "master/tell.h"

enum { SERIALS = 1 << 20 }; /* of processes, for each generation: session ids in the log come once only */

/* The place's first slot in the commons. */
static unsigned first_slot(const struct generation *g, const struct commons *c)
{
	return g->place * c->fronts;
}

/* What went wrong before the first role was started. */
static int fail_start(const struct master *m, int status, const struct why *why)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct chan ch;
	struct chan_out out = {.bulk = {slice_str(why->text)}};

	tell(LOG_ERR, "%s", why->text);
	if (!loop)
		return status;
	chan_init(&ch, loop, m->keeper_fd, ROLE_MASTER, ROLE_MASTER, 0, &(struct chan_ops){0}, NULL);
	(void)chan_send(&ch, MSG_FAILED, &out); /* the status says it, too */
	chan_done(&ch);
	return status;
}

static void chain_put(struct buf *b, const char *name, const struct conf_list *chain)
{
	buf_str(b, name);
	for (size_t i = 0; i < chain->n; i++) {
		buf_char(b, i == 0 ? ' ' : ':');
		buf_str(b, chain->item[i]);
	}
}

/* What the configuration came to, defaults included. */
static void config_debug(const struct conf *cf)
{
	char text[512];
	struct buf b = BUF(text);

	chain_put(&b, "authorization", &cf->auth.authorization);
	chain_put(&b, ", authentication", &cf->auth.authentication);
	debug(TOPIC_CONFIG, DEBUG_TRACE1, "%zu server(s), %.*s", cf->nservers, (int)b.len, b.p);
}

/* The life of a generation's master. */
static int master_run(struct master *m)
{
	struct why why = {""};
	int status = prepare(m, &why);

	if (status != EX_OK)
		return fail_start(m, status, &why);
	tell_setup(m->cf);
	config_debug(m->cf);
	status = supervise(m);
	certs_free(&m->certs);
	paths_close(&m->paths);
	return status;
}

static _Noreturn void master_begin(const struct generation *g, const struct generation_setup *s, int keeper_fd,
				   pid_t parent)
{
	static struct master m; /* some of it stays in the children: not on a stack that ends */

	fork_leave(s->loop, s->signal, s->signals);
	if (s->report >= 0)
		close(s->report);
	(void)prctl(PR_SET_NAME, "pop3d-master", 0, 0, 0); /* for ps; no harm without */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(EX_OSERR);
	m = (struct master){
		.cf = s->cf,
		.listeners = *s->listeners,
		.commons = s->commons,
		.first = first_slot(g, s->commons),
		.serial = s->number * SERIALS,
		.keeper_fd = keeper_fd,
	};
	_exit(master_run(&m));
}

enum err generation_start(struct generation *g, const struct generation_setup *s, struct why *why)
{
	int fds[2];
	pid_t parent = getpid();

	if (chan_pair(fds, why) != OK)
		return ERR_TEMP;
	pid_t pid = fork_quietly();

	if (pid == 0) {
		close(fds[0]);
		master_begin(g, s, fds[1], parent);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return fail_errno(why, ERR_TEMP, "fork");
	}
	g->pid = pid;
	g->ready = g->left = false;
	chan_init(&g->chan, s->loop, fds[0], ROLE_MASTER, ROLE_MASTER, s->number, s->ops, g);
	return OK;
}

void generation_leave(struct generation *g, enum leave stay)
{
	struct msg_leave message = {.stay = stay};

	(void)chan_send(&g->chan, MSG_LEAVE, &(struct chan_out){.payload = &message}); /* one that ends leaves too */
}

void generation_end(struct generation *g, const struct commons *commons)
{
	chan_done(&g->chan);
	for (unsigned i = 0; i < commons->fronts; i++)
		commons_clear(commons, first_slot(g, commons) + i);
	*g = (struct generation){.keeper = g->keeper, .place = g->place, .chan.in.fd = -1};
}
