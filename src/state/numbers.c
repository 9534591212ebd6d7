/* state/numbers.c - see numbers.h */
#include "state/numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum {
	HOLD_MS = 50,     /* the file stays open for reading so long: then others may write */
	WAIT_MS = 1000,   /* for other programs that have it: less than auth waits for us (auth/states.h) */
	RECORD_MOST = 63, /* octets, as in Mailutils */
};
static const uint64_t all = UINT32_MAX;

/* --- the file --------------------------------------------------------------------------------------------------- */

static void trouble(struct numbers *n, const char *what, const struct why *why)
{
	if (!n->trouble)
		log_line(LOG_ERR, "unable to open bulletin db for %s: %s; ~/.popbull counts", what, why->text);
	n->trouble = true;
}

static void let_go(struct numbers *n)
{
	ev_timer_stop(n->loop, &n->let_go);
	dbm_close(n->db);
	n->db = NULL;
}

static void on_let_go(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	let_go(w->data);
}

/* Who is in trouble does not make everybody wait for it. */
static enum err open_file(const struct numbers *n, enum dbm_use use, struct dbm **db, struct why *why)
{
	const struct dbm_how how = {.use = use, .wait_ms = n->trouble ? 0 : WAIT_MS};

	*db = NULL;
	return n->name ? dbm_open(db, n->name, &how, why) : fail(why, ERR_TEMP, "there is none");
}

static void trouble_over(struct numbers *n)
{
	if (n->trouble)
		log_line(LOG_NOTICE, "bulletin db %s can be used again", n->name->path);
	n->trouble = false;
}

static bool take(struct numbers *n)
{
	struct why why = {""};

	if (n->db)
		return true;
	if (open_file(n, DBM_READ, &n->db, &why) != OK) {
		n->db = NULL;
		trouble(n, "reading", &why);
		return false;
	}
	trouble_over(n);
	ev_now_update(n->loop);
	ev_timer_set(&n->let_go, (double)HOLD_MS / 1000, 0.);
	ev_timer_start(n->loop, &n->let_go);
	return true;
}

void numbers_open(struct numbers *n, struct ev_loop *loop, const struct role_env *env)
{
	*n = (struct numbers){.loop = loop, .name = env->bulletin_db};
	ev_timer_init(&n->let_go, on_let_go, 0., 0.);
	n->let_go.data = n;
	if (env->conf->bulletin_db && take(n))
		let_go(n);
}

void numbers_close(struct numbers *n)
{
	let_go(n);
}

/* --- records ---------------------------------------------------------------------------------------------------- */

/* As strtoul(3) of Mailutils reads it: what is below 0 is very large. */
static bool parse(struct slice text, uint64_t *out)
{
	char copy[RECORD_MOST + 1], *end;

	if (!slice_cstr(text, copy, sizeof copy))
		return false;
	errno = 0;
	unsigned long long number = strtoull(copy, &end, 0);

	if (end == copy || (*end && !strchr(" \t\r\n", *end)))
		return false;
	*out = errno != 0 || number > all ? all : number;
	return true;
}

/* False: the file is of no use. *out stays as it is where there is no record. */
static bool get(struct numbers *n, struct slice key, uint64_t *out)
{
	char text[DBM_VALUE_MOST];
	struct buf value = BUF(text);
	struct why why = {""};
	bool found = false;

	if (dbm_get(n->db, key, &value, &found, &why) != OK) {
		let_go(n);
		trouble(n, "reading", &why);
		return false;
	}
	if (found && !parse(buf_slice(&value), out)) {
		char name[4 * KEY_MOST];
		struct buf b = BUF(name);

		log_escape(&b, key);
		log_line(LOG_ERR, "wrong bulletin database format for `%.*s'", (int)b.len, name);
		*out = all;
	}
	return true;
}

uint64_t numbers_get(struct numbers *n, struct slice key, struct slice old)
{
	uint64_t number = BULLETIN_NONE;

	if (!take(n) || !get(n, key, &number) || (number == BULLETIN_NONE && old.n > 0 && !get(n, old, &number)))
		return BULLETIN_UNKNOWN;
	return number;
}

void numbers_put(struct numbers *n, struct slice key, uint64_t number)
{
	char text[24];
	struct buf value = BUF(text);
	struct why why = {""};
	struct dbm *db;

	let_go(n);
	buf_u64(&value, number);
	enum err err = open_file(n, DBM_WRITE, &db, &why);

	if (err == OK)
		err = dbm_put(db, key, buf_slice(&value), &why);
	if (err == OK)
		err = dbm_sync(db, &why);
	dbm_close(db);
	if (err != OK)
		trouble(n, "writing", &why);
	else
		trouble_over(n);
}
