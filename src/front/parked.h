/* front/parked.h - a session that does nothing, and has no store worker: master keeps what one needs to go on (master/parked.h)
 *
 * What needs none is answered as ever. The first request that does wakes it, and waits with the session until a worker has it. */
#pragma once
#include "ipc/chan.h"

struct front;
struct peer;
struct session;
struct kept_request;

/* Of master: a worker has given a session away. We agree only where nothing was asked of it meanwhile. */
enum err parked_on_parked(struct front *f, const struct msg *m);

/* Of store: it is here. */
enum err parked_on_awake(struct peer *store, const struct msg *m, struct why *why);

/* A request of a parked session. False: it cannot be asked. */
bool parked_ask(struct session *s, enum msg_type type, const struct chan_out *out);

/* It was denied, by the sender of the denial: it is parked no more. False: it was not parked, or has asked for nothing. */
bool parked_denied(struct session *s, const struct peer *from);

/* It has ended; one that is not parked: nothing happens. */
void parked_end(struct session *s);
