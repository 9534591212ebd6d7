/* tests/front/test_leave.c - a front that is told to leave: who may stay, what the others hear, and when it ends; and how the one
 * client of inetd mode ended */
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "front/ending.h"
#include "stage.h"

#define HELLO "+OK POP3 Ready\r\n"
#define OPEN HELLO "+OK\r\n+OK maildrop has 1 messages (14 octets)\r\n"
#define LOGIN "USER bob@example.test\r\nPASS good\r\n"
#define GONE "-ERR [SYS/TEMP] Service temporarily unavailable, please wait and try again\r\n"

static const struct {
	const char *name, *in, *before;
	enum leave stay;
	const char *out; /* said when it leaves */
	bool ends;       /* the session, and with it the front */
	bool mute;       /* auth does not answer */
} rows[] = {
	{"greeted, stays", "", HELLO, LEAVE_CLIENTS, "", false, false},
	{"greeted, goes", "", HELLO, LEAVE_SESSIONS, GONE, true, false},
	{"half a line, goes", "USER b", HELLO, LEAVE_SESSIONS, GONE, true, false},
	{"logs in, stays", LOGIN, HELLO "+OK\r\n", LEAVE_CLIENTS, "", false, true},
	{"logs in, goes", LOGIN, HELLO "+OK\r\n", LEAVE_SESSIONS, GONE, true, true},
	{"logged in, stays", LOGIN, OPEN, LEAVE_SESSIONS, "", false, false},
	{"logged in, goes", LOGIN, OPEN, LEAVE_COMMITS, GONE, true, false},
	{"with marks, goes", LOGIN "DELE 1\r\n", OPEN "+OK Message 1 marked\r\n", LEAVE_COMMITS, GONE, true, false},
};

static void test_leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		stage_open();
		stage.message[0] = "Subject: one\n";
		stage.messages = 1;
		stage.mute = rows[i].mute;
		int fd = stage_client();

		stage_say(fd, slice_str(rows[i].in), false);
		stage_run();
		check_row(i, rows[i].name, strcmp(stage_hear(fd, NULL), rows[i].before) == 0);
		front_leave(&stage.front, rows[i].stay);
		stage_run();
		check_row(i, rows[i].name, strcmp(stage_hear(fd, NULL), rows[i].out) == 0);
		check_row(i, rows[i].name, stage_is_closed(fd) == rows[i].ends);
		check_row(i, rows[i].name, !stage.front.sessions == rows[i].ends && stage.commits == 0);
		close(fd);
		stage_run();
		check_row(i, rows[i].name, !stage.front.sessions || rows[i].mute); /* it waits for the answer */
		stage_close();
	}
}

/* What the sessions that stay do is as ever, deletions included; told again, fewer may stay. */
static void test_sessions_finish(void **state)
{
	(void)state;
	stage_open();
	stage.message[0] = "Subject: one\n";
	stage.messages = 1;
	int fd = stage_client(), other = stage_client();

	stage_say(fd, SLICE(LOGIN "DELE 1\r\n"), false);
	stage_say(other, SLICE(LOGIN), false);
	stage_run();
	front_leave(&stage.front, LEAVE_CLIENTS);
	front_leave(&stage.front, LEAVE_SESSIONS);
	(void)stage_hear(fd, NULL);
	(void)stage_hear(other, NULL);
	stage_say(fd, SLICE("QUIT\r\n"), false);
	stage_run();
	check(strcmp(stage_hear(fd, NULL), "+OK\r\n") == 0 && stage_is_closed(fd) && stage.commits == 1);
	front_leave(&stage.front, LEAVE_COMMITS);
	stage_run();
	check(strcmp(stage_hear(other, NULL), GONE) == 0 && stage_is_closed(other) && !stage.front.sessions);
	close(fd);
	close(other);
	stage_close();
}

/* One who does not read what he asked for has his time, but not at the very end. */
static void test_slow_client(void **state)
{
	(void)state;
	stage_open();
	int fd = stage_client();

	for (int i = 0; i < 2000 && (!stage.front.sessions || !stage.front.sessions->blocked); i++) {
		stage_say(fd, SLICE("CAPA\r\n"), false);
		stage_run();
	}
	check(stage.front.sessions && stage.front.sessions->blocked);
	front_leave(&stage.front, LEAVE_SESSIONS);
	stage_run();
	check(stage.front.sessions);
	front_leave(&stage.front, LEAVE_COMMITS);
	check(!stage.front.sessions);
	close(fd);
	stage_close();
}

static const struct {
	const char *reason;
	bool opened;
	int status;
} endings[] = {
	{"quit", true, EX_OK},
	{"quit", false, EX_OK},
	{"shutdown", true, EX_OK},
	{"disconnected", false, EX_OK},
	{"disconnected", true, EX_PROTOCOL},
	{"connection lost", true, EX_PROTOCOL},
	{"timeout", true, EX_TEMPFAIL},
	{"timeout", false, EX_TEMPFAIL},
	{"update failed", true, EX_SOFTWARE},
	{"the store process has ended", true, EX_SOFTWARE},
	{"no memory", true, EX_OSERR},
};

static void test_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(endings); i++) {
		struct session s = {.reason = endings[i].reason, .opened = endings[i].opened};

		check_row(i, endings[i].reason, session_status(&s) == endings[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_sessions_finish),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
