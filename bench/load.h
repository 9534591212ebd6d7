/* bench/load.h - many POP3 sessions at once against one server, every reply checked
 *
 * Shares no code with the daemon, so that a mistake cannot cancel itself out. A wrong answer is an error, however fast
 * it comes. One process, one thread, one epoll. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "secure.h"

enum { USER_MOST = 255, STEPS_MOST = 12 };

/* A user of the server. The listings that the first session saw must stay the same in all others. */
struct user {
	char *name;                  /* owned; at most USER_MOST octets */
	uint32_t list_crc, uidl_crc; /* 0: not seen yet */
};

struct scenario;

/* What was asked for. */
struct options {
	const struct scenario *scenario;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *password;
	struct user *users;
	uint32_t nusers;
	uint32_t clients; /* sessions at the same time; with a scenario that holds, that log in at the same time */
	bool once; /* a session for every user, in their order, and no more; always so with a scenario that holds */
	uint32_t sessions; /* altogether; 0: as many as fit into `seconds` */
	uint32_t seconds;
	uint32_t ahead;    /* commands for single messages that are sent before their replies have come; at least 1 */
	uint32_t patience; /* seconds without an octet after which a session has failed */
	uint32_t errors_most;
	enum secure_mode secure;
};

/* What came of it. */
struct totals {
	uint64_t sessions; /* that ended well */
	uint64_t errors;
	uint64_t octets_in, octets_out;
	uint64_t messages;               /* fetched */
	uint64_t verified;               /* of these, whose body has the checksum that its header promises */
	uint64_t handshakes;             /* of TLS, that were completed */
	uint64_t resumed;                /* of these, that needed no certificate */
	double wall;                     /* seconds */
	uint64_t step_us[STEPS_MOST];    /* of all sessions, from a step's first command to the end of its last reply */
	uint64_t step_count[STEPS_MOST]; /* sessions that came to its end */
	uint32_t *latency;               /* microseconds from connect to the reply to QUIT, of each session; owned */
	size_t latencies, latencies_room;
};

/* Runs to the end. False: it could not be started, and standard error says why. */
bool load_run(const struct options *opt, struct totals *t);
