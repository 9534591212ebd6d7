/* state/logins.h - when users logged in last (login-delay, stat-file)
 *
 * Who may log in is decided, and recorded, under a lock that all processes of this machine take, those of other configurations and of
 * other runs by a superserver too, and in the file itself: so there is one login in each interval, however many processes there are. The
 * lock is kept for a moment, in which others of our logins need not open the file; then others get their turn.
 *
 * What was recorded is in the file before anybody hears of it, and survives the end of all processes; it is not synced, so a power cut
 * may forget what the kernel had not written yet (some seconds; lmdb: nothing).
 *
 * Landlock and our group hold us to the file that was there when we began. Where there is another one, this process ends, and the next one
 * has that.
 *
 * Trouble with the file is told once, and once when it is over. Meanwhile there is no login delay, and nobody is refused. */
#pragma once
#include <ev.h>

#include "dbm/dbm.h"
#include "ipc/role.h"

struct logins {
	struct ev_loop *loop;
	const struct dbm_name *name; /* NULL: no login delay is configured, or the file cannot be used */
	int lock_fd;
	struct state_page *page;
	struct dbm *db; /* while we have the lock */
	ev_timer let_go;
	uint64_t rest_until_ms; /* others have their turn */
	bool trouble;           /* it was told */
	dev_t dev;              /* the file that was there when we began; 0 and 0: none */
	ino_t ino;
};

/* Tries the file. */
void logins_open(struct logins *l, struct ev_loop *loop, const struct role_env *env);
void logins_close(struct logins *l);

/* When a user logged in last. Seconds since 1970; 0: no record. */
struct login_times {
	uint64_t own;  /* under his name */
	uint64_t last; /* the same, or what stands under the older one */
};

/* ERR_TEMP: there is trouble with the file. old: a second name, or nothing. A record that is none is told and counts as none. */
enum err logins_get(struct logins *l, struct slice key, struct slice old, struct login_times *out);

/* Recorded, or removed where `at' is 0. ERR_TEMP as above. */
enum err logins_put(struct logins *l, struct slice key, uint64_t at);

/* Whether a login now would be too soon. A time in the future, which a clock that was set back leaves, is one of now, unless it is so far
 * away that nobody could wait for it. */
bool login_is_too_soon(uint64_t last, uint64_t now, uint64_t delay_s);

/* Reads a record as Mailutils does: a number of C, decimal, 0x..., 0..., perhaps with blanks in front. False: it is none. */
bool login_time_parse(struct slice text, uint64_t *out);
