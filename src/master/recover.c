/* master/recover.c - see recover.h */
#include "master/recover.h"

#include <dirent.h>

#include "base/log.h"
#include "master/grant.h"
#include "master/journals.h"

static const double again_s = 5;

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)loop;
	(void)revents;
	if (!m->stopping && !m->leaving)
		recover_all(m);
}

static void start(struct master *m, struct identity owner)
{
	struct why why = {""};

	if (worker_replay(m, owner, &why)) {
		m->recovering += m->starting;
		return;
	}
	log_line(LOG_ERR, "uid %u has journals to be replayed: %s", (unsigned)owner.uid, why.text);
	ev_timer_stop(m->loop, &m->recover);
	ev_timer_init(&m->recover, on_again, again_s, 0.);
	m->recover.data = m;
	ev_timer_start(m->loop, &m->recover);
}

void recover_all(struct master *m)
{
	DIR *d = m->paths.journal_dir >= 0 ? journals_list(m->paths.journal_dir, ".") : NULL;
	struct identity owner;
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (journals_of_name(m, e->d_name, &owner))
			start(m, owner);
	if (d)
		closedir(d);
}

void recover_owner(struct master *m, struct identity owner)
{
	if (journals_of_owner(m, &owner))
		start(m, owner);
}
