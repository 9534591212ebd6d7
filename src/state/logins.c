/* state/logins.c - see logins.h */
#include "state/logins.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	HOLD_MS = 50, /* the lock is kept for so long */
	REST_MS = 3,  /* and then not taken for so long, in which who waits looks again */
	LOOK_MS = 1,  /* between two looks */
	/* for the lock, and for other programs that have the file: both less than auth waits for us (auth/states.h) */
	WAIT_MS = 2500,
	RECORD_MOST = 63, /* octets, as in Mailutils */
};

static void pause_ms(unsigned ms)
{
	struct timespec pause = {.tv_nsec = (long)ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* --- trouble ---------------------------------------------------------------------------------------------------- */

static void page_set(const struct logins *l, bool usable)
{
	atomic_store_explicit(&l->page->delays, usable, memory_order_relaxed);
}

static enum err trouble(struct logins *l, const struct why *why)
{
	struct event e;

	page_set(l, false);
	if (!l->trouble) {
		event_new(&e, "login-delay-off");
		event_kv(&e, "reason", slice_str(why->text));
		event_kv(&e, "effect",
			 SLICE("nobody is refused, and no login recorded, until the data base can be used"));
		event_log(&e, LOG_ERR);
	}
	l->trouble = true;
	return ERR_TEMP;
}

static void trouble_over(struct logins *l)
{
	struct event e;

	page_set(l, true);
	if (!l->trouble)
		return;
	l->trouble = false;
	event_new(&e, "login-delay-on");
	event_word(&e, "file", l->name->path);
	event_log(&e, LOG_NOTICE);
}

/* --- the lock and the file -------------------------------------------------------------------------------------- */

static void let_go(struct logins *l)
{
	ev_timer_stop(l->loop, &l->let_go);
	if (!l->db)
		return;
	dbm_close(l->db);
	l->db = NULL;
	(void)flock(l->lock_fd, LOCK_UN);
	l->rest_until_ms = clock_ms() + REST_MS;
}

static void on_let_go(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	let_go(w->data);
}

/* Who is in trouble does not make everybody wait for it. */
static enum err lock(const struct logins *l, struct why *why)
{
	uint64_t now = clock_ms(), until = l->trouble ? now : now + WAIT_MS;

	while (clock_ms() < l->rest_until_ms)
		pause_ms(LOOK_MS);
	while (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_errno(why, ERR_TEMP, "lock against other processes");
		if (clock_ms() >= until)
			return fail(why, ERR_TEMP, "other processes of ours keep the lock");
		pause_ms(LOOK_MS);
	}
	return OK;
}

static void file_look(const struct dbm_name *name, dev_t *dev, ino_t *ino)
{
	struct stat st;

	*dev = 0;
	*ino = 0;
	if (name && stat(name->path, &st) == 0) {
		*dev = st.st_dev;
		*ino = st.st_ino;
	}
}

/* All we know is in memory that outlives us, and whoever waits for an answer asks the next one. */
static void end_if_replaced(const struct logins *l)
{
	dev_t dev;
	ino_t ino;

	file_look(l->name, &dev, &ino);
	if (dev == l->dev && ino == l->ino)
		return;
	log_line(LOG_NOTICE, "%s has been replaced or removed: the state process begins anew", l->name->path);
	exit(EX_TEMPFAIL);
}

static enum err take(struct logins *l)
{
	struct why why = {"no data base"};
	struct dbm_how how = {.use = DBM_WRITE, .wait_ms = l->trouble ? 0 : WAIT_MS};

	if (l->db)
		return OK;
	if (!l->name || lock(l, &why) != OK)
		return trouble(l, &why);
	if (dbm_open(&l->db, l->name, &how, &why) != OK) {
		l->db = NULL;
		(void)flock(l->lock_fd, LOCK_UN);
		end_if_replaced(l);
		return trouble(l, &why);
	}
	trouble_over(l);
	ev_now_update(l->loop);
	ev_timer_set(&l->let_go, (double)HOLD_MS / 1000, 0.);
	ev_timer_start(l->loop, &l->let_go);
	return OK;
}

/* The file is of no use as it is. */
static enum err give_up(struct logins *l, const struct why *why)
{
	let_go(l);
	return trouble(l, why);
}

void logins_open(struct logins *l, struct ev_loop *loop, const struct role_env *env)
{
	*l = (struct logins){.loop = loop, .name = env->stat_file, .lock_fd = env->state_lock, .page = env->state_page};
	file_look(l->name, &l->dev, &l->ino);
	ev_timer_init(&l->let_go, on_let_go, 0., 0.);
	l->let_go.data = l;
	if (env->conf->login_delay.n > 0 && take(l) == OK)
		let_go(l);
}

void logins_close(struct logins *l)
{
	let_go(l);
}

/* --- records ---------------------------------------------------------------------------------------------------- */

bool login_time_parse(struct slice text, uint64_t *out)
{
	char copy[RECORD_MOST + 1], *end;

	if (!slice_cstr(text, copy, sizeof copy) || text.n == 0)
		return false;
	errno = 0;
	unsigned long long n = strtoull(copy, &end, 0);

	if (errno != 0 || end == copy || *end != '\0')
		return false;
	*out = n;
	return true;
}

bool login_is_too_soon(uint64_t last, uint64_t now, uint64_t delay_s)
{
	if (last > now)
		return last - now <= delay_s;
	return last > 0 && now - last < delay_s;
}

static void malformed(struct slice key, struct slice text)
{
	struct event e;

	event_new(&e, "login-time-malformed");
	event_kv(&e, "user", key);
	event_kv(&e, "record", text);
	event_kv(&e, "reason", text.n > RECORD_MOST ? SLICE("wrong timestamp size") : SLICE("not a number"));
	event_log(&e, LOG_ERR);
}

static enum err get(struct logins *l, struct slice key, uint64_t *out, struct why *why)
{
	char text[DBM_VALUE_MOST];
	struct buf value = BUF(text);
	bool found = false;
	enum err err = dbm_get(l->db, key, &value, &found, why);

	*out = 0;
	if (err == OK && found && !login_time_parse(buf_slice(&value), out))
		malformed(key, buf_slice(&value));
	return err;
}

enum err logins_get(struct logins *l, struct slice key, struct slice old, struct login_times *out)
{
	struct why why = {""};

	*out = (struct login_times){0};
	if (take(l) != OK)
		return ERR_TEMP;
	enum err err = get(l, key, &out->own, &why);

	out->last = out->own;
	if (err == OK && out->own == 0 && old.n > 0)
		err = get(l, old, &out->last, &why);
	return err == OK ? OK : give_up(l, &why);
}

enum err logins_put(struct logins *l, struct slice key, uint64_t at)
{
	char text[24];
	struct buf value = BUF(text);
	struct why why = {""};
	bool found;

	if (take(l) != OK)
		return ERR_TEMP;
	buf_u64(&value, at);
	enum err err = at > 0 ? dbm_put(l->db, key, buf_slice(&value), &why) : dbm_delete(l->db, key, &found, &why);

	return err == OK ? OK : give_up(l, &why);
}
