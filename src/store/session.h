/* store/session.h - sessions in a store process: from a grant to CLOSE, DONE, or the death of their front
 *
 * A session waits for the session lock of its maildrop without holding up others, opens the maildrop, answers with SCAN, and from
 * then on does what its front asks. It logs what goes wrong and what is deleted, and tells front no more than a code. */
#pragma once
#include "store/store.h"

/* Handlers of messages; `c->owner` is the struct peer of an auth or a front, or NULL for master. */
enum err session_on_grant(struct store *st, struct msg *m, struct why *why);
enum err session_on_fetch(struct chan *c, struct msg *m, struct why *why);
enum err session_on_read(struct chan *c, struct msg *m, struct why *why);
enum err session_on_commit(struct chan *c, struct msg *m, struct why *why);
enum err session_on_close(struct chan *c, struct msg *m, struct why *why);

/* Ends those whose maildrop a session of another process wants (session-takeover). */
void session_look_for_takeover(struct store *st);

/* Touches the locks that sessions hold (mandatory-locking). */
void session_touch_locks(struct store *st);

/* The external locker has answered this question: who waits for that tries again from the loop. False: nobody does. */
bool session_on_locked(struct store *st, uint64_t job);

/* Those that wait try again from the loop: there is a new front. */
void session_retry(struct store *st);

/* The other side of master/parked.h. Gives the only session to master if it has done nothing for so long and can go on elsewhere, and this process
 * gets no more grants; asks for that first. To be called by a timer, and when the last auth has gone. */
void session_rest_all(struct store *st);
enum err session_on_rest(struct chan *c, struct msg *m, struct why *why);

/* Goes on with a session that master has kept. */
enum err session_on_park(struct store *st, struct msg *m, struct why *why);

/* Ends the sessions of a front, or all where it is NULL. Deletes no mail. */
void session_end_all(struct store *st, const struct peer *front);
