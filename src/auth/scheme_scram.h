/* auth/scheme_scram.h - what a server keeps of a password for SCRAM (RFC 5802, section 3)
 *
 * Stored as RFC 5803 has it (4096:SALT$STORED:SERVER), or with a comma between the four (gsasl, Dovecot); in base64. */
#pragma once
#include "base/slice.h"

enum { SCRAM_SALT_MOST = 64, SCRAM_KEY_MOST = 32, SCRAM_ITERATIONS_MOST = 1000000 };

struct scram_verifier {
	bool sha256; /* else SHA-1 */
	uint32_t iterations;
	size_t salt_n, key_n; /* octets */
	unsigned char salt[SCRAM_SALT_MOST], stored[SCRAM_KEY_MOST], server[SCRAM_KEY_MOST];
};

/* Reads a whole secret, {SCRAM-SHA-1}TEXT, {SCRAM-SHA-256}TEXT or SCRAM-SHA-...$TEXT. False: it is something else. */
bool scram_read(struct slice secret, struct scram_verifier *v);

/* Fills in stored and server for a password, where all else is there. False: libcrypto failed. */
bool scram_derive(struct slice password, struct scram_verifier *v);

/* Whether this plain password is the one of the verifier. The password is taken as it is, without SASLprep. */
bool scram_same(struct slice password, const struct scram_verifier *v);
