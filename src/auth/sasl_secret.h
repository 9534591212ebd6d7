/* auth/sasl_secret.h - stored secrets for mechanisms of SASL that need one: the file `gsasl { cram-passwd }'
 *
 * A line is USER, a tab, and a password or what was made from one for SCRAM (RFC 5803), in any of these forms:
 *
 *	alice	her password
 *	bob	{SCRAM-SHA-256}4096,SALT,STOREDKEY,SERVERKEY		as gsasl --mkpasswd writes it
 *	carl	SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY		as RFC 5803 has it
 *
 * A name that has none for a mechanism gets salt and number of iterations all the same, the same ones each time, so that an
 * exchange does not tell who has one. The number is that of the first line in the file, unless configured, so one should be made like the other. */
#pragma once
#include "auth/cache.h"
#include "auth/pwfile.h"
#include "auth/scheme_scram.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "ipc/catalogue.h"
#include "ipc/mechanisms.h"

/* Wiped by its owner. */
struct sasl_secret {
	bool known;                     /* there is one for the mechanism */
	char password[SECRET_MOST + 1]; /* a C string; empty: there is only a verifier, or nothing */
	/* for SCRAM: iterations and salt are always there; the keys (key_n) where there is no password */
	struct scram_verifier scram;
};

struct sasl_secrets {
	const struct conf *conf;
	const struct cache *cache;
	int dirfd; /* -1: none, or it cannot be opened */
	char dir[URL_MOST + 1];
	const char *name; /* in it */
	struct pwfile file;
};

/* What is wrong with the file is told. Where none is configured nobody has a secret. */
void sasl_secrets_open(struct sasl_secrets *s, const struct conf *cf, const struct cache *cache);
void sasl_secrets_close(struct sasl_secrets *s);

/* OK: *out is filled, for a name with a secret or without. Else the file cannot be used. Without a file, nobody has one. */
enum err sasl_secret_find(struct sasl_secrets *s, struct slice user, enum mechanism m, struct sasl_secret *out,
			  struct why *why);

/* The same out of what the chain has of him, {SCHEME}TEXT, or nothing. A password in the clear must be marked as one. */
enum err sasl_secret_take(const struct sasl_secrets *s, struct slice user, enum mechanism m, struct slice stored,
			  struct sasl_secret *out, struct why *why);

/* Reads what stands behind the tab; false: it is nothing for this mechanism. */
bool sasl_secret_read(struct slice text, enum mechanism m, struct sasl_secret *out);

/* The mechanism is SCRAM; *sha256: which one. */
bool mechanism_is_scram(enum mechanism m, bool *sha256);
