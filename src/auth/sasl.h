/* auth/sasl.h - exchanges of AUTH (RFC 5034, RFC 4422): from the client's first response to a login
 *
 * An exchange belongs to one login of one front, by its sid. It ends with credentials that go the way of any login: a
 * password that is still to be checked (PLAIN, LOGIN), or a name together with the verdict, where the mechanism itself
 * shows who it is. So limits, delays, log lines and decoys are the same for all. It ends without, too: when front says that nothing
 * comes any more, or when the front has gone.
 *
 * GNU SASL runs the mechanisms in which something is computed (sasl_gnu.c); those that just say something are read here
 * (sasl_plain.c), where all octets that were a password are wiped. */
#pragma once
#include "auth/sasl_secret.h"
#include "ipc/chan.h"
#include "ipc/mechanisms.h"

struct login_ask;
struct searches;
struct fronts;
struct sasl_exchange;
struct Gsasl;

enum { SASL_BUCKETS = 1024, SASL_EXCHANGES_MOST = 32768 };

struct sasl {
	const struct conf *conf;
	const struct cache *cache; /* for what is made up */
	const struct fronts *fronts;
	struct pools *pools;       /* who is asked about tokens */
	struct searches *searches; /* for secrets that the chain has */
	/* How an exchange ends: in a login, with a password or with what the mechanism has found. What it points to lives until it returns. */
	void (*login)(void *arg, const struct login_ask *ask);
	/* True: there were too many wrong ones; front has been told. */
	bool (*barred)(void *arg, const struct login_ask *ask);
	void *arg;

	struct Gsasl *gnu;
	char host[NAME_MOST + 1];  /* ours, for mechanisms that name it */
	char realm[NAME_MOST + 1]; /* whose principals are users here: that of our key */
	struct sasl_secrets secrets;
	struct sasl_exchange *bucket[SASL_BUCKETS];
	size_t exchanges;
};

/* The caller has filled in what stands above the empty line. */
enum err sasl_open(struct sasl *s, struct why *why);
void sasl_close(struct sasl *s);

/* MSG_SASL_START and MSG_SASL_STEP of a front. An error: the message is broken. */
enum err sasl_start(struct sasl *s, const struct msg *m, struct why *why);
enum err sasl_step(struct sasl *s, const struct msg *m, struct why *why);

/* Its exchanges end. */
void sasl_front_gone(struct sasl *s, uint32_t front);
