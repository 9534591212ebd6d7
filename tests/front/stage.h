/* tests/front/stage.h - a front without master and daemon: its auth and store are played here, over real channels
 *
 * One user, bob@example.test with the password "good", whose maildrop holds stage.message[]. A client is the other end of a socket
 * pair. Nothing waits for time: stage_run turns the loop until nobody has anything to do. */
#pragma once
#include "check.h"
#include "front/front.h"
#include "front/session.h"

enum stage_how {
	HOW_BULK,   /* the listing and messages come in the messages */
	HOW_SEALED, /* as sealed memfds, which front reads */
	HOW_ASKED,  /* not at all: front asks for the octets */
	HOWS
};

enum {
	STAGE_MESSAGES = 3000,
	STAGE_STRIDE = 128, /* octets between the beginnings of messages, where they lie in one file */
};

struct stage {
	struct ev_loop *loop;
	struct conf conf;
	struct conf_server server;
	struct role_env env;
	struct front front;
	struct chan auth, store; /* their ends */
	struct chan second;      /* where there is another auth process: its end */
	int listener;
	/* the script */
	enum stage_how how;
	const char *message[STAGE_MESSAGES]; /* as stored */
	uint32_t messages;
	enum err deny;     /* the answer to every login; OK: the password decides */
	bool mute;         /* auth does not answer */
	bool wrong_crc;    /* in the listing */
	bool broken;       /* records of the listing */
	uint32_t walk;     /* messages in a file that is handed over to who walks; 0: one */
	bool walk_lies;    /* of how many are in it */
	uint32_t changed;  /* msgno of the one that is another there; 0: none */
	bool short_body;   /* a message has lost an octet since it was listed */
	enum err body_err; /* the answer to every FETCH */
	enum err done_err; /* and to COMMIT */
	/* what happened */
	unsigned logins, fetches, reads, commits, closes;
	struct msg_login login;
	unsigned starts, steps, overs; /* of AUTH */
	struct msg_sasl_start start;
	char user[256], password[1100];
	uint64_t sid;
	uint32_t taken; /* as front said, with fetches and at the end */
	uint32_t deleted;
	uint8_t bits[512];
};
extern struct stage stage;

/* A fresh front and an empty script; nothing is left of the last one. */
void stage_open(void);
void stage_close(void);
void stage_run(void);

/* A client: its socket. */
int stage_client(void);

/* Sends all at once, or octet by octet with a turn of the loop behind each. */
void stage_say(int fd, struct slice text, bool by_octet);

/* What the client has received since the last time, as a C string in a static buffer; *n its octets, NULL: not wanted. */
const char *stage_hear(int fd, size_t *n);

/* The front has closed the connection, and all was heard. */
bool stage_is_closed(int fd);

/* Another auth process. */
void stage_add_auth(void);

void stage_kill_store(void);
void stage_kill_auth(void);
