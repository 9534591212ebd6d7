/* tests/front/test_faults.c - what the client hears, and what it never hears, when something breaks or is too much */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

#define LOGIN "USER bob@example.test\r\nPASS good\r\n"
#define WAIT "-ERR [SYS/TEMP] Service temporarily unavailable, please wait and try again\r\n"

static int begin(const char *message, uint32_t messages)
{
	stage_open();
	for (uint32_t i = 0; i < messages; i++)
		stage.message[i] = message;
	stage.messages = messages;
	return stage_client();
}

static void end(int fd)
{
	close(fd);
	stage_run();
	check(!stage.front.sessions && places_mine(&stage.front.places) == 0 && stage.front.ahead == 0);
	stage_close();
}

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n >= m && strcmp(text + n - m, tail) == 0;
}

/* Says something behind a greeting, and all that is said to it. */
static const char *answer(int fd, const char *text)
{
	stage_hear(fd, NULL);
	stage_say(fd, slice_str(text), false);
	return stage_hear(fd, NULL);
}

static const struct {
	enum err err;
	const char *reply;
} denial[] = {
	{ERR_TEMP, "+OK\r\n" WAIT},
	{ERR_PERM, "+OK\r\n-ERR [SYS/PERM] Cannot authenticate\r\n"},
	{ERR_AUTH, "+OK\r\n-ERR [AUTH] Bad login\r\n"},
	{ERR_IN_USE, "+OK\r\n-ERR [IN-USE] Mailbox in use\r\n"},
	{ERR_LOCKED, "+OK\r\n-ERR [SYS/TEMP] Too many wrong passwords, please wait and try again later\r\n"},
	{ERR_DELAY, "+OK\r\n-ERR [LOGIN-DELAY] Attempt to log in within the minimum login delay interval\r\n"},
};

/* No login; the connection goes on, and the user's name is forgotten. */
static void test_denials(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(denial); i++) {
		int fd = begin("x\n", 1);

		stage.deny = denial[i].err;
		check_row(i, denial[i].reply, strcmp(answer(fd, LOGIN), denial[i].reply) == 0);
		check_row(i, denial[i].reply, strcmp(answer(fd, "PASS good\r\n"), "-ERR Invalid command\r\n") == 0);
		stage.deny = OK;
		check_row(i, denial[i].reply, strstr(answer(fd, LOGIN), "+OK maildrop has 1 messages (3 octets)\r\n"));
		end(fd);
	}
}

static void test_failures_are_bounded(void **state)
{
	int fd = begin("x\n", 1);

	(void)state;
	for (int i = 1; i <= FAILURES_MOST; i++) {
		check(!stage_is_closed(fd));
		check(ends_with(answer(fd, "USER bob@example.test\r\nPASS bad\r\n"), "-ERR [AUTH] Bad login\r\n"));
		check(stage.login.failures == (uint32_t)i - 1);
	}
	check(stage_is_closed(fd));
	end(fd);
}

static const struct {
	const char *name;
	enum stage_how how;
	bool wrong_crc, broken, short_body;
	enum err body_err;
	const char *reply; /* to RETR 1; NULL: nothing that ends like a message */
	bool closes;
} fault[] = {
	{"temporary", HOW_BULK, false, false, false, ERR_TEMP, WAIT, false},
	{"permanent", HOW_BULK, false, false, false, ERR_PERM, "-ERR [SYS/PERM] Mailbox cannot be read\r\n", false},
	{"in use, which makes no sense", HOW_BULK, false, false, false, ERR_IN_USE, WAIT, false},
	{"other octets", HOW_BULK, true, false, false, OK, NULL, true},
	{"other octets in a file", HOW_SEALED, true, false, false, OK, NULL, true},
	{"other octets from store", HOW_ASKED, true, false, false, OK, NULL, true},
	{"shorter", HOW_BULK, false, false, true, OK, WAIT, false},
	{"shorter in a file", HOW_SEALED, false, false, true, OK, NULL, true},
	{"a broken record in a file", HOW_SEALED, false, true, false, OK, WAIT, true},
	{"a broken record from store", HOW_ASKED, false, true, false, OK, WAIT, true},
};

/* No wrong message is ever completed; where no reply has begun, the client hears why. */
static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(fault); i++) {
		int fd = begin("Subject: x\n\nbody\n", 1);

		stage.how = fault[i].how;
		stage.wrong_crc = fault[i].wrong_crc;
		stage.broken = fault[i].broken;
		stage.short_body = fault[i].short_body;
		stage.body_err = fault[i].body_err;
		check_row(i, fault[i].name,
			  ends_with(answer(fd, LOGIN), "+OK maildrop has 1 messages (20 octets)\r\n"));
		const char *reply = answer(fd, "RETR 1\r\nNOOP\r\n");

		if (!fault[i].reply)
			check_row(i, fault[i].name, !strstr(reply, "\r\n.\r\n"));
		else
			check_row(i, fault[i].name, strncmp(reply, fault[i].reply, strlen(fault[i].reply)) == 0);
		check_row(i, fault[i].name, fault[i].closes || ends_with(reply, "\r\n+OK\r\n"));
		check_row(i, fault[i].name, stage_is_closed(fd) == fault[i].closes);
		check_row(i, fault[i].name, stage.commits == 0 && (!fault[i].closes || stage.closes == 1));
		end(fd);
	}
}

/* A small listing is looked at whole, and a store that sends a broken one loses its channel. */
static void test_broken_listing(void **state)
{
	int fd = begin("Subject: x\n\n", 2);

	(void)state;
	stage.broken = true;
	check(ends_with(answer(fd, LOGIN), WAIT));
	check(!stage.front.peers.stores);
	check(strcmp(answer(fd, "NOOP\r\n"), "+OK\r\n") == 0);
	end(fd);
}

static void test_store_dies(void **state)
{
	int idle, deleting, fresh = begin("Subject: x\n\n", 2);

	(void)state;
	check(ends_with(answer(idle = stage_client(), LOGIN), " octets)\r\n"));
	check(ends_with(answer(deleting = stage_client(), LOGIN "DELE 1\r\n"), " marked\r\n"));
	stage_kill_store();
	check(strcmp(stage_hear(idle, NULL), WAIT) == 0 && stage_is_closed(idle));
	check(strcmp(stage_hear(deleting, NULL), WAIT) == 0 && stage_is_closed(deleting));
	check(ends_with(answer(fresh, "NOOP\r\n"), "+OK\r\n"));
	close(idle);
	close(deleting);
	end(fresh);
}

static void test_auth_dies(void **state)
{
	int fd = begin("Subject: x\n\n", 1);

	(void)state;
	stage.mute = true;
	check(strcmp(answer(fd, LOGIN "CAPA\r\n"), "+OK\r\n") == 0 && stage.logins == 1);
	stage_kill_auth();
	check(strstr(stage_hear(fd, NULL), WAIT "+OK Capability list follows\r\n"));
	check(strcmp(answer(fd, LOGIN), "+OK\r\n" WAIT) == 0); /* there is nobody to ask */
	end(fd);
}

/* Front has not heard of it yet: the login that finds out asks nobody else, and nobody twice. */
static void test_auth_has_died(void **state)
{
	int fd = begin("Subject: x\n\n", 1);

	(void)state;
	chan_pause(&stage.front.peers.auths->chan, true);
	chan_done(&stage.auth);
	check(strcmp(answer(fd, LOGIN), "+OK\r\n" WAIT) == 0);
	check(!stage.front.peers.auths);
	end(fd);
}

/* Who waited for it may try again at once: the other one is asked. */
static void test_one_auth_of_two_dies(void **state)
{
	int fd = begin("Subject: x\n\n", 1);

	(void)state;
	stage.mute = true;
	check(strcmp(answer(fd, LOGIN LOGIN), "+OK\r\n") == 0 && stage.logins == 1);
	stage_add_auth();
	struct peer *other = stage.front.peers.auths;

	other->outstanding = 1; /* so that nothing speaks for it but that the first one goes */
	stage.mute = false;
	stage_kill_auth();
	check(ends_with(stage_hear(fd, NULL), WAIT "+OK\r\n+OK maildrop has 1 messages (14 octets)\r\n"));
	check(stage.logins == 2);
	end(fd);
}

/* Few at once: one auth process finds them all when it wakes. More than that: whoever has fewest. */
static void test_logins_are_spread(void **state)
{
	static const struct {
		const char *text;
		uint32_t one, other; /* logins under way */
	} rows[] = {{"the first", 1, 0}, {"few", 2, 0}, {"not few", 2, 1}, {"and more", 2, 2}};
	int fd[TABLE_ROWS(rows)];

	(void)state;
	stage_open();
	stage_add_auth();
	stage.mute = true;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		fd[i] = stage_client();
		check(strstr(answer(fd[i], LOGIN), "+OK\r\n"));
		const struct peer *one = stage.front.peers.auths;

		check_row(i, rows[i].text, one->outstanding == rows[i].one && one->next->outstanding == rows[i].other);
	}
	for (size_t i = 0; i < TABLE_ROWS(rows); i++)
		close(fd[i]);
	stage_close();
}

/* A store worker that was taken over answers logins that it knows nothing of. */
static void test_store_guesses(void **state)
{
	(void)state;
	for (int denies = 0; denies < 2; denies++) {
		int fd = begin("Subject: x\n\n", 1);
		struct msg_scan scan = {.count = 0};
		struct msg_deny deny = {.err = ERR_AUTH};

		stage.mute = true;
		check(strcmp(answer(fd, LOGIN), "+OK\r\n") == 0);
		scan.sid = deny.sid = stage.sid ^ 0x12345;
		check(denies ? chan_send(&stage.store, MSG_DENY, &(struct chan_out){.payload = &deny})
			     : chan_send(&stage.store, MSG_SCAN, &(struct chan_out){.payload = &scan}));
		stage_run();
		check(!stage.front.peers.stores && stage.front.sessions->wait == WAIT_LOGIN);
		stage_kill_auth();
		end(fd);
	}
}

/* What was typed is not to be found in the memory where all clients' input is read. */
static void test_input_is_wiped(void **state)
{
	static const struct {
		const char *first, *then;
	} in[] = {
		{LOGIN, ""},
		{"USER bob@example.test\r\nPASS go", "od\r\n"},
		{"USER bob@example.test\r\nPASS go", "od\r\nNOOP\r\nQUIT\r\nPASS good\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(in); i++) {
		int fd = begin("Subject: x\n\n", 1);
		size_t octets = stage.conf.line_limit + READ_OCTETS;

		memset(stage.front.input, 0, octets);
		stage_say(fd, slice_str(in[i].first), false);
		check_row(i, "half", !memmem(stage.front.input, octets, "PASS go", 7));
		stage_say(fd, slice_str(in[i].then), false);
		check_row(i, "maildrop", strstr(stage_hear(fd, NULL), "+OK maildrop has 1 "));
		check_row(i, "whole", !memmem(stage.front.input, octets, "good", 4));
		end(fd);
	}
}

static void test_update_fails(void **state)
{
	int fd = begin("Subject: x\n\n", 12);

	(void)state;
	stage.done_err = ERR_TEMP;
	stage_say(fd, SLICE(LOGIN "DELE 2\r\nDELE 11\r\n"), false);
	stage_hear(fd, NULL);
	check(strcmp(answer(fd, "QUIT\r\n"), "-ERR [SYS/TEMP] Some deleted messages not removed\r\n") == 0);
	check(stage.commits == 1 && stage.deleted == 2 && stage.bits[0] == 1 << 1 && stage.bits[1] == 1 << 2);
	check(stage_is_closed(fd));
	end(fd);
}

/* Any end but QUIT deletes nothing, and frees the maildrop. */
static void test_client_goes(void **state)
{
	int fd = begin("Subject: x\n\n", 2);

	(void)state;
	stage_say(fd, SLICE(LOGIN "DELE 1\r\nRETR 2\r\nQUI"), false);
	end(fd);
	check(stage.commits == 0 && stage.closes == 1);
}

static void test_client_goes_while_logging_in(void **state)
{
	struct msg_scan late = {.count = 0};
	int fd = begin("Subject: x\n\n", 2);

	(void)state;
	stage.mute = true;
	stage_say(fd, SLICE(LOGIN), false);
	close(fd);
	stage_run();
	check(!stage.front.sessions && stage.logins == 1 && stage.closes == 0);
	late.sid = stage.sid;
	check(chan_send(&stage.store, MSG_SCAN, &(struct chan_out){.payload = &late}));
	stage_run();
	check(stage.closes == 1); /* nobody waits for it any more */
	end(stage_client());
}

/* Whole lines of every length around the limit of 1024 octets, CRLF included. */
static void test_long_lines(void **state)
{
	static char line[100000];

	(void)state;
	for (int by_octet = 0; by_octet < 2; by_octet++)
		for (size_t n = 1020; n < sizeof line; n += n < 1030 ? 1 : by_octet ? sizeof line : 32323) {
			int fd = begin("x\n", 1);

			memset(line, 'A', n);
			memcpy(line + n - 2, "\r\n", 2);
			stage_hear(fd, NULL);
			stage_say(fd, (struct slice){line, n}, by_octet);
			const char *reply = stage_hear(fd, NULL);
			const char *expected = n <= 1024 ? "-ERR Invalid command\r\n" : "-ERR Argument too long\r\n";

			check_row(n, reply, strcmp(reply, expected) == 0);
			check_row(n, "behind it", strcmp(answer(fd, "QUIT\r\n"), "+OK\r\n") == 0);
			end(fd);
		}
}

/* A client that does not read: commands wait, nothing grows, and in the end every reply is there, in order. */
static void test_client_that_does_not_read(void **state)
{
	enum { LISTS = 25, MESSAGES = 2000 };
	int fd = begin("Subject: x\n\n", MESSAGES);
	const char *at;
	unsigned lists = 0;

	(void)state;
	stage.how = HOW_SEALED;
	check(ends_with(answer(fd, LOGIN), " octets)\r\n"));
	for (int i = 0; i < LISTS; i++)
		check(send(fd, "UIDL\r\nSTAT\r\n", 12, MSG_NOSIGNAL) == 12);
	stage_run();
	check(stage.front.sessions && stage.front.sessions->in.n <= READ_OCTETS + stage.conf.line_limit);
	at = stage_hear(fd, NULL);
	for (; (at = strstr(at, "\r\n2000 uid-2000\r\n.\r\n+OK 2000 28000\r\n")); at++)
		lists++;
	check(lists == LISTS);
	end(fd);
}

/* A message of so many octets, in lines. */
static char *long_message(size_t octets)
{
	char *text = malloc(octets + 1);

	check(text);
	for (size_t i = 0; i < octets; i++)
		text[i] = i < 2 || i % 77 == 76 || i == octets - 1 ? '\n' : (char)('a' + i % 26);
	text[octets] = '\0';
	return text;
}

/* The client's socket keeps writes apart, so it can be seen that the terminator never comes alone. */
static void test_last_line_and_terminator_in_one_write(void **state)
{
	static char heard[1 << 20];
	int pair[2];

	(void)state;
	for (int how = 0; how < HOWS; how++)
		for (size_t octets = 64300; octets < 66000; octets += 53) {
			char *text = long_message(octets);
			const char *last = NULL;
			ssize_t n;

			end(begin(text, 1));
			stage_open();
			stage.message[0] = text;
			stage.messages = 1;
			stage.how = (enum stage_how)how;
			check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
			check(places_take(&stage.front.places));
			check(session_new(&stage.front, &(struct arrival){.fd = pair[0], .server = &stage.server}));
			stage_say(pair[1], SLICE(LOGIN "RETR 1\r\n"), false);
			while ((n = recv(pair[1], heard, sizeof heard - 1, 0)) > 0) {
				heard[n] = '\0';
				last = heard;
				check_row(octets, "a terminator without its line", strcmp(heard, ".\r\n") != 0);
				stage_run();
			}
			check_row(octets, "the end", last && ends_with(last, "\r\n.\r\n") && strlen(last) > 5);
			end(pair[1]);
			free(text);
		}
}

/* A client that takes one message after the other costs few messages between the processes. */
static void test_read_ahead(void **state)
{
	enum { MESSAGES = 100 };
	int fd = begin("Subject: x\n\nSome text in a line\n", MESSAGES);
	char command[32];

	(void)state;
	check(ends_with(answer(fd, LOGIN), " octets)\r\n"));
	for (int i = 1; i <= MESSAGES; i++) {
		snprintf(command, sizeof command, "RETR %d\r\n", i);
		check(ends_with(answer(fd, command), "\r\nSome text in a line\r\n.\r\n"));
	}
	check(stage.fetches == 1);
	check(ends_with(answer(fd, "RETR 7\r\n"), "\r\nSome text in a line\r\n.\r\n") && stage.fetches == 2);
	end(fd);
}

enum { WALK_MESSAGES = 100 };

/* A maildrop in one file, which store hands over to who walks through it: `walk` messages of each. No two messages are the same. */
static int begin_walk(uint32_t walk)
{
	static char text[WALK_MESSAGES][STAGE_STRIDE];
	int fd = begin("", WALK_MESSAGES);

	for (int i = 0; i < WALK_MESSAGES; i++) {
		snprintf(text[i], sizeof text[i], "Subject: x\n\nText of message %d\n", i + 1);
		stage.message[i] = text[i];
	}
	stage.how = HOW_SEALED;
	stage.walk = walk;
	check(ends_with(answer(fd, LOGIN), " octets)\r\n"));
	return fd;
}

static void check_message(int fd, const char *command, int msgno)
{
	char line[32], text[STAGE_STRIDE];

	snprintf(line, sizeof line, "%s %d%s\r\n", command, msgno, strcmp(command, "TOP") == 0 ? " 0" : "");
	snprintf(text, sizeof text, "\r\n\r\nText of message %d\r\n.\r\n", msgno);
	check_row(msgno, line, ends_with(answer(fd, line), strcmp(command, "TOP") == 0 ? "x\r\n\r\n.\r\n" : text));
}

/* A client that takes one message after the other out of a file asks store for the file, and says how many it took. */
static void test_walk(void **state)
{
	int fd = begin_walk(40);

	(void)state;
	for (int i = 1; i <= WALK_MESSAGES; i++)
		check_message(fd, "RETR", i);
	check(stage.fetches == 3 && stage.reads == 0 && stage.taken == 39 + 39);
	check_message(fd, "RETR", 7); /* no walk */
	check_message(fd, "RETR", 8);
	check_message(fd, "TOP", 9); /* store hears of either previews or whole messages */
	check_message(fd, "TOP", 10);
	check(stage.fetches == 7 && stage.taken == 39 + 39 + 19);
	answer(fd, "QUIT\r\n");
	end(fd);
}

/* A message that is not what the listing says is asked for, before any of it is sent; then the walk goes on. */
static void test_walk_over_a_change(void **state)
{
	int fd = begin_walk(WALK_MESSAGES);

	(void)state;
	stage.changed = 5;
	for (int i = 1; i <= 5; i++)
		check_message(fd, "RETR", i);
	check(stage.fetches == 2 && stage.taken == 3);
	for (int i = 6; i <= WALK_MESSAGES; i++)
		check_message(fd, "RETR", i);
	end(fd);
}

/* All sessions read through one buffer. */
static void test_walks_side_by_side(void **state)
{
	int first = begin_walk(WALK_MESSAGES), second = stage_client();

	(void)state;
	check(ends_with(answer(second, LOGIN), " octets)\r\n"));
	check_message(first, "RETR", 1);
	stage.changed = 50; /* in the other one's file */
	check_message(second, "RETR", 1);
	for (int i = 2; i <= WALK_MESSAGES; i++) {
		check_message(first, "RETR", i);
		check_message(second, "RETR", i);
	}
	check(stage.fetches == 2 + 1 && stage.reads == 0);
	close(second);
	end(first);
}

/* More messages than the listing has. */
static void test_walk_too_far(void **state)
{
	int fd = begin_walk(WALK_MESSAGES);

	(void)state;
	stage.walk_lies = true;
	check(ends_with(answer(fd, "RETR 1\r\n"), WAIT) || stage_is_closed(fd));
	end(fd);
}

/* Replies to a half-open client: it has said all that it will say. */
static void test_half_closed(void **state)
{
	int fd = begin("Subject: x\n\n", 1);

	(void)state;
	stage_hear(fd, NULL);
	stage_say(fd, SLICE(LOGIN "STAT\r\nRETR 1\r\n"), false);
	check(shutdown(fd, SHUT_WR) == 0);
	check(ends_with(stage_hear(fd, NULL), "+OK 1 14\r\n+OK 14 octets\r\nSubject: x\r\n\r\n.\r\n"));
	check(stage_is_closed(fd) && stage.closes == 1);
	end(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_denials),
		cmocka_unit_test(test_failures_are_bounded),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_broken_listing),
		cmocka_unit_test(test_store_dies),
		cmocka_unit_test(test_auth_dies),
		cmocka_unit_test(test_auth_has_died),
		cmocka_unit_test(test_one_auth_of_two_dies),
		cmocka_unit_test(test_logins_are_spread),
		cmocka_unit_test(test_store_guesses),
		cmocka_unit_test(test_input_is_wiped),
		cmocka_unit_test(test_update_fails),
		cmocka_unit_test(test_client_goes),
		cmocka_unit_test(test_client_goes_while_logging_in),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_client_that_does_not_read),
		cmocka_unit_test(test_last_line_and_terminator_in_one_write),
		cmocka_unit_test(test_read_ahead),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_over_a_change),
		cmocka_unit_test(test_walks_side_by_side),
		cmocka_unit_test(test_walk_too_far),
		cmocka_unit_test(test_half_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
