/* master/asker.h - for popctl: a process that asks for users what auth asks, with the rights that auth has
 *
 * The modules in use have a process each, as the daemon would start it; they end with this one. Then we become auth: what it could not read,
 * we cannot. One question and the end: there is no way back. */
#pragma once
#include "conf/conf.h"
#include "ipc/catalogue.h"

struct asker;
struct ev_loop;

/* Starts the processes and waits for them; each channel to one goes to `peer', who owns fd, as auth hears of it. The configuration
 * is changed (one process for each module, no terminal), and must last. On an error *out is NULL, and the program must end. */
typedef void (*asker_peer)(void *arg, const struct msg_peer *peer, int fd);
enum err asker_start(struct asker **out, struct conf *cf, struct ev_loop *loop, asker_peer peer, void *arg,
		     struct why *why);

/* From here on we are auth. */
enum err asker_confine(struct asker *a, struct why *why);

/* Tells the processes to end. NULL is fine. */
void asker_done(struct asker *a);
