/* base/why.h - what went wrong: a code for the client, a sentence for the operator
 *
 * A function that can fail returns an enum err and writes the sentence into the `why` that its
 * caller lends. Whoever can answer the client decides, and exactly one of them logs. */
#pragma once

/* Closed: one table away from the POP3 response codes (RFC 2449, section 8; RFC 3206). */
enum err {
	OK = 0,
	ERR_TEMP,   /* trying again can help: [SYS/TEMP] */
	ERR_PERM,   /* it cannot: [SYS/PERM] */
	ERR_AUTH,   /* wrong credentials: [AUTH] */
	ERR_IN_USE, /* the session lock is held: [IN-USE] */
	ERR_DELAY,  /* too soon after the last login: [LOGIN-DELAY] */
	ERR_LOCKED, /* after too many wrong passwords, whatever this one is: [SYS/TEMP] */
	ERR_COUNT
};

/* "TEMP", ...; "OK". */
const char *err_name(enum err err);

/* For the log, never for the client. Always a C string, cut when too long. */
struct why {
	char text[256];
};

/* Writes the sentence and returns `err`. `why` may be NULL. */
enum err fail(struct why *why, enum err err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of errno behind it; errno is read first and kept. */
enum err fail_errno(struct why *why, enum err err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
