/* front/commands.h - the commands of POP3, as a table
 *
 * A row says where a command is legal and what it takes. Parsing, ranges, "deleted?" and "not now" are checked in one
 * place, so that a handler says only what is special about its command. */
#pragma once
#include "front/session.h"
#include "front/view.h"

enum arg {
	ARG_NONE,
	ARG_NAME,      /* one word */
	ARG_VERBATIM,  /* everything behind one blank, perhaps nothing */
	ARG_ANY,       /* whatever it is, it is not looked at */
	ARG_MSG,       /* a message that is there and not deleted */
	ARG_MSG_OPT,   /* the same, or nothing */
	ARG_MSG_LINES, /* the same, and a number of lines */
};

struct args {
	uint32_t msgno; /* 0: not given */
	uint32_t lines;
	struct slice text;
	struct message message; /* of msgno */
};

struct command {
	const char *verb;
	unsigned states; /* enum state: where it is legal */
	enum arg shape;
	bool secret;   /* the line is wiped, and not shown in a transcript */
	bool password; /* part of sending one in the clear: legal where `plaintext-login' takes it */
	enum next (*run)(struct session *s, const struct args *a);
};

/* NULL: no such command. */
const struct command *command_find(struct slice verb);

/* What is wrong with the arguments, for the client; NULL: nothing. The message itself is not looked up here. */
const char *args_parse(enum arg shape, struct slice text, const struct view *v, struct args *out);

/* Runs a line, without its end. */
enum next session_command(struct session *s, struct slice line);

/* cmd_auth.c: AUTHORIZATION. */
enum next cmd_user(struct session *s, const struct args *a);
enum next cmd_pass(struct session *s, const struct args *a);
enum next cmd_apop(struct session *s, const struct args *a);
enum next cmd_capa(struct session *s, const struct args *a);
enum next cmd_noop(struct session *s, const struct args *a);
enum next cmd_quit(struct session *s, const struct args *a);

/* Makes the time stamp of the greeting, where there is APOP. */
void apop_stamp(struct session *s);

/* Seconds that a login may wait on purpose: in auth, for wrong passwords of before; in store, until it has the locks of a maildrop. */
double login_waits(const struct conf *cf);

/* What the client said about who it is. */
void login_forget(struct session *s);

/* The answers to a login. login_open: ERR_PERM means that the message is broken. Then session_run goes on. */
enum err login_open(struct session *s, struct msg *m, struct why *why);
void login_denied(struct session *s, enum err err, struct slice reason);
void login_penalty_over(struct session *s);

/* sasl.c. */
enum next cmd_auth(struct session *s, const struct args *a);

/* stls.c. */
enum next cmd_stls(struct session *s, const struct args *a);

/* cmd_trans.c: TRANSACTION. listing_get: the record of a message; false: it has to come from store, or the session is
 * about to end. listing_arrived: it came; false: the message is broken. Then session_run goes on. */
bool listing_get(struct session *s, uint32_t msgno, struct message *out);
bool listing_arrived(struct session *s, const struct msg *m);
enum next cmd_stat(struct session *s, const struct args *a);
enum next cmd_list(struct session *s, const struct args *a);
enum next cmd_uidl(struct session *s, const struct args *a);
enum next cmd_retr(struct session *s, const struct args *a);
enum next cmd_top(struct session *s, const struct args *a);
enum next cmd_dele(struct session *s, const struct args *a);
enum next cmd_rset(struct session *s, const struct args *a);

/* update.c: QUIT with something for store to do. */
enum next update_start(struct session *s);
void update_try(struct session *s);
void update_done(struct session *s, enum err err);
