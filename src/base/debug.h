/* base/debug.h - lines for whoever looks for the error in a set-up
 *
 *	debug(TOPIC_AUTH, DEBUG_TRACE2, "Trying %s...", name);
 *
 * Off, a line costs the test of a word. On, it is a line of severity debug. Topics and levels are Mailutils', as far as
 * they mean something here. No secret stands in any of them, whatever the level: no password, no hash, no mail. */
#pragma once
#include <stdint.h>

enum debug_level {
	DEBUG_ERROR,
	DEBUG_TRACE0,
	DEBUG_TRACE1,
	DEBUG_TRACE2,
	DEBUG_TRACE9 = DEBUG_TRACE0 + 9,
	DEBUG_PROT,
	DEBUG_LEVELS
};

enum debug_topic {
	TOPIC_AUTH,    /* chains and records */
	TOPIC_ACL,     /* rules and what they say of a client */
	TOPIC_MAILBOX, /* open, scan, commit, close */
	TOPIC_LOCKER,  /* session locks and mailbox locks */
	TOPIC_SERVER,  /* listeners, processes, connections */
	TOPIC_CONFIG,  /* what the configuration came to */
	TOPIC_STREAM,  /* octets from and to clients */
	TOPIC_TLS,
	DEBUG_TOPICS
};

/* "auth", ...: the categories of `debug { level }'. */
extern const char *const debug_topic_name[DEBUG_TOPICS];

/* Bits of enum debug_level that are on; written by log_setup alone. */
extern uint16_t debug_levels[DEBUG_TOPICS];

#define debug_wants(topic, level) ((debug_levels[topic] & 1U << (level)) != 0)

#define debug(topic, level, ...)                                                                                       \
	do                                                                                                             \
		if (debug_wants(topic, level))                                                                         \
			debug_line(__FILE__, __LINE__, __VA_ARGS__);                                                   \
	while (0)

void debug_line(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
