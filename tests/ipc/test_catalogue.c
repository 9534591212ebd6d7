/* tests/ipc/test_catalogue.c - the catalogue keeps the design's promises: who may say what to whom */
#include "ipc/catalogue.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"

#define BIT(type) (UINT64_C(1) << (type))

static void test_rows_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < MSG_COUNT; i++) {
		const struct msg_rule *r = &msg_rule[i];

		check_row(i, "has a name", r->name && r->name[0]);
		check_row(i, r->name, r->from && r->to && r->from < 1 << ROLE_COUNT && r->to < 1 << ROLE_COUNT);
		check_row(i, r->name, r->fds_least <= r->fds_most && r->fds_most <= MSG_FDS_MOST);
		check_row(i, r->name, r->payload <= 256 && r->payload % 4 == 0 && r->bulk_most <= MSG_BULK_MOST);
		for (size_t k = 0; k < i; k++)
			check_row(i, r->name, strcmp(r->name, msg_rule[k].name) != 0);
	}
}

/* All that a role may ever send: what one that was taken over can try. */
static const struct {
	enum role role;
	uint64_t sends;
} may_send[] = {
	{ROLE_MASTER, BIT(MSG_PEER) | BIT(MSG_FORGET) | BIT(MSG_LOG) | BIT(MSG_IDLE) | BIT(MSG_GRANT) | BIT(MSG_DENY) |
			      BIT(MSG_READY) | BIT(MSG_LEAVE) | BIT(MSG_LEFT) | BIT(MSG_FAILED) | BIT(MSG_LOCKED) |
			      BIT(MSG_SETTLE) | BIT(MSG_SECRETS) | BIT(MSG_COUNTS) | BIT(MSG_PARK) | BIT(MSG_PARKED) |
			      BIT(MSG_OPEN) | BIT(MSG_BEGIN)},
	{ROLE_FRONT, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_LEFT) | BIT(MSG_WANTED) | BIT(MSG_LOGIN) |
			     BIT(MSG_FETCH) | BIT(MSG_READ) | BIT(MSG_COMMIT) | BIT(MSG_CLOSE) | BIT(MSG_ASK) |
			     BIT(MSG_WITHDRAW) | BIT(MSG_SASL_START) | BIT(MSG_SASL_STEP) | BIT(MSG_REST) |
			     BIT(MSG_WAKE) | BIT(MSG_BEGUN)},
	{ROLE_AUTH, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_HASH) | BIT(MSG_GRANT) | BIT(MSG_DENY) |
			    BIT(MSG_RESERVE) | BIT(MSG_SETTLE) | BIT(MSG_SECRETS_WANTED) | BIT(MSG_LOOK) |
			    BIT(MSG_STUCK) | BIT(MSG_SASL_CHALLENGE) | BIT(MSG_SASL_NAMED)},
	{ROLE_HASH, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_HASHED)},
	{ROLE_STORE, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_IDLE) | BIT(MSG_DENY) | BIT(MSG_SCAN) |
			     BIT(MSG_BODY) | BIT(MSG_BYTES) | BIT(MSG_DONE) | BIT(MSG_SPOOL) | BIT(MSG_LOCK) |
			     BIT(MSG_SETTLE) | BIT(MSG_ADVANCE) | BIT(MSG_PARK) | BIT(MSG_AWAKE)},
	{ROLE_ACCESS, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_VERDICT)},
	{ROLE_STATE, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_RESERVED)},
	{ROLE_BACKEND, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_LOOKED)},
	{ROLE_LOCKER, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_SPOOLED)},
	{ROLE_OPENER, BIT(MSG_READY) | BIT(MSG_LOG_LOST) | BIT(MSG_OPENED)},
};

static void test_who_sends_what(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(may_send); i++)
		for (unsigned type = 0; type < MSG_COUNT; type++) {
			bool sends = msg_rule[type].from & 1 << may_send[i].role;

			check_row(i, msg_rule[type].name, sends == ((may_send[i].sends & BIT(type)) != 0));
		}
}

/* Secrets go to auth, hash and backend only, and their buffers are wiped; nobody but auth and master opens a maildrop. */
static void test_secrets_and_grants(void **state)
{
	(void)state;
	for (unsigned type = 0; type < MSG_COUNT; type++)
		check_row(type, msg_rule[type].name,
			  msg_rule[type].secret == (type == MSG_LOGIN || type == MSG_HASH || type == MSG_LOOK ||
						    type == MSG_LOOKED || type == MSG_SASL_START ||
						    type == MSG_SASL_STEP || type == MSG_SASL_CHALLENGE));
	check(msg_rule[MSG_LOOK].to == 1 << ROLE_BACKEND && msg_rule[MSG_LOOKED].to == 1 << ROLE_AUTH);
	check(msg_rule[MSG_LOGIN].to == 1 << ROLE_AUTH && msg_rule[MSG_HASH].to == 1 << ROLE_HASH);
	check(msg_rule[MSG_GRANT].from == (1 << ROLE_AUTH | 1 << ROLE_MASTER));
	check(msg_rule[MSG_PEER].from == 1 << ROLE_MASTER && msg_rule[MSG_FORGET].from == 1 << ROLE_MASTER);
	/* No descriptor reaches auth, hash or master from anybody but master, nor locker, access, state, backend or opener; but the owner's file of
	 * session locks reaches master, which looks whether it is that, and an index, which it hands on. */
	for (unsigned type = 0; type < MSG_COUNT; type++) {
		unsigned inner = 1 << ROLE_AUTH | 1 << ROLE_HASH | 1 << ROLE_LOCKER | 1 << ROLE_ACCESS |
				 1 << ROLE_STATE | 1 << ROLE_BACKEND | 1 << ROLE_OPENER | 1 << ROLE_MASTER;

		check_row(type, msg_rule[type].name,
			  !(msg_rule[type].to & inner) || msg_rule[type].fds_most == 0 ||
				  msg_rule[type].from == 1 << ROLE_MASTER || type == MSG_PARK || type == MSG_OPENED);
	}
}

static void test_role_names(void **state)
{
	(void)state;
	for (int role = 0; role < ROLE_COUNT; role++)
		check_row(role, "named", strcmp(role_name((enum role)role), "unknown") != 0);
	check(strcmp(role_name(ROLE_STORE), "store") == 0);
	check(strcmp(role_name(ROLE_COUNT), "unknown") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_whole),
		cmocka_unit_test(test_who_sends_what),
		cmocka_unit_test(test_secrets_and_grants),
		cmocka_unit_test(test_role_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
