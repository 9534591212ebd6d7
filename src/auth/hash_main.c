/* auth/hash_main.c - the hash process: a password and a hash, one at a time, and nothing else
 *
 * There are cores - 1 of them, so never more hashes run at once. One that libcrypt can be talked into abusing has a
 * password that its peer knew anyway, and no file, socket or process to do anything with it. From the system it needs
 * memory (yescrypt maps and unmaps some for each job). */
#include <stdlib.h>

#include "auth/auth_child.h"
#include "auth/schemes.h"
#include "base/log.h"

/* Job by job, in the order they came: fairness is the business of those who ask. */
static enum err on_hash(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_hash *h = m->payload;

	if ((size_t)h->setting_len + h->password_len != m->bulk.n)
		return fail(why, ERR_PERM, "a hash job with %zu octets", m->bulk.n);
	struct slice setting = {m->bulk.p, h->setting_len};
	struct slice password = {m->bulk.p + h->setting_len, h->password_len};
	struct msg_hashed answer = {.job = h->job, .same = scheme_same(password, setting) ? 1 : 0};

	chan_send(c, MSG_HASHED, &(struct chan_out){.payload = &answer});
	return OK;
}

static void on_auth_closed(struct chan *c, const char *reason)
{
	if (reason)
		log_line(LOG_WARNING, "hash: channel to auth %u closed: %s", (unsigned)c->peer_serial, reason);
	chan_done(c);
	free(c);
}

static const struct chan_ops auth_ops = {.on = {[MSG_HASH] = on_hash}, .closed = on_auth_closed};

static enum err on_peer(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_peer *peer = m->payload;
	struct chan *auth = peer->role == ROLE_AUTH ? malloc(sizeof *auth) : NULL;

	if (peer->role != ROLE_AUTH)
		return fail(why, ERR_PERM, "a channel to a process that asks for no hashes");
	if (auth) /* else the descriptor is closed, and auth asks another */
		chan_init(auth, c->loop, msg_take_fd(m, 0), ROLE_HASH, ROLE_AUTH, peer->serial, &auth_ops, NULL);
	return OK;
}

int hash_main(const struct role_env *env)
{
	struct auth_child child;

	auth_child_open(&child, env, on_peer, NULL, NULL);
	auth_child_run(&child);
	auth_child_close(&child);
	return EXIT_SUCCESS;
}
