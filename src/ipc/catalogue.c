/* ipc/catalogue.c - see catalogue.h */
#include "ipc/catalogue.h"

#include <stddef.h>

#define M (1 << ROLE_MASTER)
#define F (1 << ROLE_FRONT)
#define A (1 << ROLE_AUTH)
#define H (1 << ROLE_HASH)
#define R (1 << ROLE_RELAY)
#define L (1 << ROLE_LOCKER)
#define X (1 << ROLE_ACCESS)
#define T (1 << ROLE_STATE)
#define B (1 << ROLE_BACKEND)
#define O (1 << ROLE_OPENER)
#define S (1 << ROLE_STORE)
#define PAYLOAD(name) sizeof(struct name)

enum {
	GRANT_BULK = NAME_MOST + 2 * URL_MOST,
	PARK_BULK = NAME_MOST + URL_MOST,
	LOGIN_BULK = NAME_MOST + 1024 + STAMP_MOST,
	SASL_BULK = BINDING_MOST + NAME_MOST + SASL_RESPONSE_MOST,
	HASH_BULK = 1024 + 1024,
	LOOK_BULK = 2 * NAME_MOST + TOKEN_MOST,
	REASON_BULK = sizeof(struct why)
};

/* clang-format off */
const struct msg_rule msg_rule[MSG_COUNT] = {
	/*                name        from           to             fds   payload              bulk           secret */
	[MSG_PEER] =     {"peer",     M,             F | A | H | L | X | T | B | S, 1, 1, PAYLOAD(msg_peer), 0,           0},
	[MSG_FORGET] =   {"forget",   M,             A,             0, 0, PAYLOAD(msg_forget), 0,             0},
	[MSG_LOG] =      {"log",      M,             F | A | H | L | X | T | B | O | S, 1, 1, 0,             0,             0},
	[MSG_READY] =    {"ready",    M | F | A | H | R | L | X | T | B | O | S, M, 0, 0, 0,                0,             0},
	[MSG_LOG_LOST] = {"log-lost", F | A | H | L | X | T | B | O | S, M, 0, 0, 0,                   0,             0},
	[MSG_IDLE] =     {"idle",     S | M,         M | S,         0, 0, 0,                   0,             0},
	[MSG_LEAVE] =    {"leave",    M,             M | F,         0, 0, PAYLOAD(msg_leave),  0,             0},
	[MSG_LEFT] =     {"left",     M | F,         M,             0, 0, 0,                   0,             0},
	[MSG_COUNTS] =   {"counts",   M,             M | A,         0, 0, 0,                   0,             0},
	[MSG_WANTED] =   {"wanted",   F,             M,             0, 0, 0,                   0,             0},
	[MSG_FAILED] =   {"failed",   M,             M,             0, 0, 0,                   REASON_BULK,   0},

	[MSG_ASK] =      {"ask",      F,             X,             0, 0, PAYLOAD(msg_ask),    0,             0},
	[MSG_WITHDRAW] = {"withdraw", F,             X,             0, 0, PAYLOAD(msg_withdraw), 0,           0},
	[MSG_VERDICT] =  {"verdict",  X,             F,             0, 0, PAYLOAD(msg_verdict), REASON_BULK,  0},

	[MSG_LOGIN] =    {"login",    F,             A,             0, 0, PAYLOAD(msg_login),  LOGIN_BULK,    1},
	[MSG_SASL_START] = {"sasl-start", F,         A,             0, 0, PAYLOAD(msg_sasl_start), SASL_BULK, 1},
	[MSG_SASL_STEP] = {"sasl-step", F,           A,             0, 0, PAYLOAD(msg_sasl_step), SASL_RESPONSE_MOST, 1},
	[MSG_SASL_CHALLENGE] = {"sasl-challenge", A, F,             0, 0, PAYLOAD(msg_sasl_challenge), SASL_CHALLENGE_MOST, 1},
	[MSG_SASL_NAMED] = {"sasl-named", A,         F,             0, 0, PAYLOAD(msg_sasl_named), NAME_MOST, 0},
	[MSG_SECRETS_WANTED] = {"secrets-wanted", A,   M,             0, 0, 0,                   0,             0},
	[MSG_SECRETS] =  {"secrets",  M,             A,             0, 1, PAYLOAD(msg_secrets), 0,            0},
	[MSG_HASH] =     {"hash",     A,             H,             0, 0, PAYLOAD(msg_hash),   HASH_BULK,     1},
	[MSG_HASHED] =   {"hashed",   H,             A,             0, 0, PAYLOAD(msg_hashed), 0,             0},
	[MSG_LOOK] =     {"look",     A,             B,             0, 0, PAYLOAD(msg_look),   LOOK_BULK,     1},
	[MSG_LOOKED] =   {"looked",   B,             A,             0, 0, PAYLOAD(msg_looked), LOOKED_BULK,   1},
	[MSG_STUCK] =    {"stuck",    A,             M,             0, 0, PAYLOAD(msg_stuck),  0,             0},
	[MSG_GRANT] =    {"grant",    A | M,         S | M,         0, 0, PAYLOAD(msg_grant),  GRANT_BULK,    0},
	[MSG_DENY] =     {"deny",     A | M | S,     F | M,         0, 0, PAYLOAD(msg_deny),   REASON_BULK,   0},
	[MSG_SCAN] =     {"scan",     S,             F,             0, 1, PAYLOAD(msg_scan),   MSG_BULK_MOST, 0},

	[MSG_RESERVE] =  {"reserve",  A,             T,             0, 0, PAYLOAD(msg_reserve), KEY_MOST + NAME_MOST, 0},
	[MSG_RESERVED] = {"reserved", T,             A,             0, 0, PAYLOAD(msg_reserved), 0,           0},
	[MSG_SETTLE] =   {"settle",   A | M | S,     T,             0, 0, PAYLOAD(msg_settle), 0,             0},
	[MSG_ADVANCE] =  {"advance",  S,             T,             0, 0, PAYLOAD(msg_advance), 0,            0},

	[MSG_FETCH] =    {"fetch",    F,             S,             0, 0, PAYLOAD(msg_fetch),  0,             0},
	[MSG_BODY] =     {"body",     S,             F,             0, 1, PAYLOAD(msg_body),   MSG_BULK_MOST, 0},
	[MSG_READ] =     {"read",     F,             S,             0, 0, PAYLOAD(msg_read),   0,             0},
	[MSG_BYTES] =    {"bytes",    S,             F,             0, 0, PAYLOAD(msg_bytes),  MSG_BULK_MOST, 0},
	[MSG_COMMIT] =   {"commit",   F,             S,             0, 1, PAYLOAD(msg_commit), MSG_BULK_MOST, 0},
	[MSG_DONE] =     {"done",     S,             F,             0, 0, PAYLOAD(msg_done),   0,             0},
	[MSG_CLOSE] =    {"close",    F,             S,             0, 0, PAYLOAD(msg_close),  0,             0},

	[MSG_PARK] =     {"park",     S | M,         M | S,         1, 1, PAYLOAD(msg_park),   PARK_BULK,     0},
	[MSG_PARKED] =   {"parked",   M,             F,             0, 0, PAYLOAD(msg_parked), 0,             0},
	[MSG_REST] =     {"rest",     F,             S,             0, 0, PAYLOAD(msg_rest),   0,             0},
	[MSG_WAKE] =     {"wake",     F,             M,             0, 0, PAYLOAD(msg_wake),   0,             0},
	[MSG_AWAKE] =    {"awake",    S,             F,             0, 0, PAYLOAD(msg_awake),  0,             0},

	[MSG_OPEN] =     {"open",     M,             O,             1, 1, PAYLOAD(msg_open),   URL_MOST,      0},
	[MSG_OPENED] =   {"opened",   O,             M,             0, 1, PAYLOAD(msg_opened), URL_MOST,      0},
	[MSG_BEGIN] =    {"begin",    M,             F,             0, 1, PAYLOAD(msg_begin),  PARK_BULK,     0},
	[MSG_BEGUN] =    {"begun",    F,             M,             0, 0, PAYLOAD(msg_begun),  0,             0},

	[MSG_SPOOL] =    {"spool",    S,             L,             0, 0, PAYLOAD(msg_spool),  SPOOL_NAME_MOST, 0},
	[MSG_SPOOLED] =  {"spooled",  L,             S,             0, 1, PAYLOAD(msg_spooled), REASON_BULK,  0},

	[MSG_LOCK] =     {"lock",     S,             M,             0, 0, PAYLOAD(msg_lock),   URL_MOST,      0},
	[MSG_LOCKED] =   {"locked",   M,             S,             0, 0, PAYLOAD(msg_locked), REASON_BULK,   0},
};
/* clang-format on */

const char *role_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {"master", "front", "auth",    "hash",   "relay", "locker",
						      "access", "state", "backend", "opener", "store"};

	return role < ROLE_COUNT ? names[role] : "unknown";
}
