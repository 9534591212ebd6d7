/* backend/oauth/keyring.h - where the keys come from: jwks-file, or jwks-url
 *
 * A file is looked at for each token, and read again when it has changed. What a URL gave is kept for `jwks-ttl'; a token with a key that is not in it has it
 * fetched again, but not more often than each 1, 2, 4 ... 60 seconds as long as that brings nothing new or nobody answers. Keys that are there stay
 * good while nobody answers. */
#pragma once
#include <sys/stat.h>

#include "backend/oauth/http.h"
#include "backend/oauth/keys.h"

enum { KEYS_PAUSE_MOST_S = 60 };

struct keyring {
	const struct conf_oauth *conf;
	struct http *http;
	struct key_set set;
	struct stat file;  /* of the file that the set was read from */
	uint64_t old_ms;   /* of clock_ms(): the set is to be fetched then */
	uint64_t again_ms; /* and not before that */
	uint32_t pause_s;
	bool failed;    /* the last time */
	struct why why; /* for what reason */
};

/* OK: there is a set. */
enum err keyring_settle(struct keyring *k, uint64_t deadline_ms, struct why *why);

/* For a key that is not in it. OK: there is another set now; ERR_AUTH: it was fetched a moment ago, nobody knows the key; ERR_TEMP: it cannot be fetched. */
enum err keyring_again(struct keyring *k, uint64_t deadline_ms, struct why *why);

/* The set of keyring_again had the key: the next one that is unknown may be fetched at once. */
void keyring_found(struct keyring *k);

void keyring_close(struct keyring *k);
