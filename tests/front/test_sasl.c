/* tests/front/test_sasl.c - lines within AUTH, and what becomes of an exchange when something breaks */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "stage.h"

#define HELLO "+OK POP3 Ready\r\n"
#define OPENED "+OK maildrop has 1 messages (14 octets)\r\n"
#define WAIT "-ERR [SYS/TEMP] Service temporarily unavailable, please wait and try again\r\n"
#define GOOD "Z29vZA=="
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X512 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32

static int begin(void)
{
	stage_open();
	stage.message[0] = "Subject: x\n\n";
	stage.messages = 1;
	stage.conf.gsasl.enable = true;
	stage.conf.auth.plaintext_login = PLAINTEXT_YES;
	return stage_client();
}

static void end(int fd)
{
	close(fd);
	stage_run();
	check(!stage.front.sessions && places_mine(&stage.front.places) == 0);
	stage_close();
}

static const struct {
	const char *name, *in, *out;
	unsigned starts, steps, overs;
} dialogue[] = {
	{"list", "AUTH\r\nauth \r\n",
	 "+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n", 0, 0, 0},
	{"initial response", "AUTH PLAIN " GOOD "\r\nAUTH\r\n", OPENED "-ERR Incorrect state\r\n", 1, 0, 0},
	{"blanks", "  auth\tplain  " GOOD " \r\n", OPENED, 1, 0, 0},
	{"more blanks", "auth  plain   " GOOD " \n", OPENED, 1, 0, 0},
	{"challenge", "AUTH PLAIN\r\n" GOOD "\r\nSTAT\r\n", "+ eA==\r\n" OPENED "+OK 1 14\r\n", 1, 1, 0},
	{"two challenges", "AUTH LOGIN\r\nQUIT\r\n" GOOD "\r\nQUIT\r\n", "+ eA==\r\n+ eA==\r\n" OPENED "+OK\r\n", 1, 2,
	 0},
	{"empty", "AUTH PLAIN =\r\n\r\n" GOOD "\r\n", "+ eA==\r\n+ eA==\r\n" OPENED, 1, 2, 0},
	{"cancelled", "AUTH PLAIN\r\n*\r\n*\r\nAUTH PLAIN " GOOD "\r\n",
	 "+ eA==\r\n-ERR Authentication cancelled\r\n-ERR Invalid command\r\n" OPENED, 2, 0, 1},
	{"no base64", "AUTH PLAIN a\r\nAUTH PLAIN\r\na\r\nNOOP\r\nAUTH PLAIN\r\n=\r\n",
	 "-ERR Invalid base64\r\n+ eA==\r\n-ERR Invalid base64\r\n+OK\r\n+ eA==\r\n-ERR Invalid base64\r\n", 2, 0, 2},
	{"long", "AUTH PLAIN " X512 X512 X512 "\r\n" X512 X512 X512 "\r\n*\r\n",
	 "+ eA==\r\n+ eA==\r\n-ERR Authentication cancelled\r\n", 1, 1, 1},
	{"too long", "AUTH PLAIN\r\n" X512 X512 X512 X512 "\r\nNOOP\r\n", "+ eA==\r\n-ERR Argument too long\r\n+OK\r\n",
	 1, 0, 1},
	{"too long a command", "AUTH PLAIN " X512 X512 X512 X512 "\r\n" X512 X512 "x\r\nNOOP\r\n",
	 "-ERR Argument too long\r\n-ERR Argument too long\r\n+OK\r\n", 0, 0, 0},
	{"behind USER", "USER bob@example.test\r\nAUTH PLAIN\r\n*\r\nPASS good\r\n",
	 "+OK\r\n+ eA==\r\n-ERR Authentication cancelled\r\n-ERR Invalid command\r\n", 1, 0, 1},
};

static void test_dialogue(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(dialogue); i++)
		for (int by_octet = 0; by_octet < 2; by_octet++) {
			int fd = begin();

			stage_hear(fd, NULL);
			stage_say(fd, slice_str(dialogue[i].in), by_octet);
			const char *heard = stage_hear(fd, NULL);

			if (strcmp(heard, dialogue[i].out) != 0)
				print_error("%s\n", heard);
			check_row(i, dialogue[i].name, strcmp(heard, dialogue[i].out) == 0);
			check_row(i, dialogue[i].name,
				  stage.starts == dialogue[i].starts && stage.steps == dialogue[i].steps &&
					  stage.overs == dialogue[i].overs);
			end(fd);
		}
}

/* The client goes while it has the turn, or while auth has it. */
static void test_client_goes(void **state)
{
	(void)state;
	for (int mute = 0; mute < 2; mute++) {
		int fd = begin();

		stage.mute = mute;
		stage_say(fd, SLICE("AUTH PLAIN\r\n"), false);
		end(fd);
		check(stage.starts == 1 && stage.overs == 1);
	}
}

/* Its auth process ends: the answer is held back until the client has said what it was asked, and another process takes the next one. */
static void test_lost(void **state)
{
	int fd = begin();

	(void)state;
	stage_say(fd, SLICE("AUTH PLAIN\r\n"), false);
	check(strcmp(stage_hear(fd, NULL), HELLO "+ eA==\r\n") == 0);
	stage_kill_auth();
	check(strcmp(stage_hear(fd, NULL), "") == 0);
	stage_add_auth();
	stage_say(fd, SLICE(GOOD "\r\nAUTH PLAIN " GOOD "\r\n"), false);
	check(strcmp(stage_hear(fd, NULL), WAIT OPENED) == 0);
	check(stage.starts == 2 && stage.steps == 0);
	end(fd);
}

static void test_lost_while_it_has_the_turn(void **state)
{
	int fd = begin();

	(void)state;
	stage.mute = true;
	stage_say(fd, SLICE("AUTH PLAIN\r\n"), false);
	stage_kill_auth();
	check(strcmp(stage_hear(fd, NULL), HELLO WAIT) == 0);
	stage_say(fd, SLICE("NOOP\r\n"), false);
	check(strcmp(stage_hear(fd, NULL), "+OK\r\n") == 0);
	end(fd);
}

/* What was said is not to be found in the memory where all clients' input is read, neither as it came nor decoded. */
static void test_input_is_wiped(void **state)
{
	static const char *const said[] = {"AUTH PLAIN " GOOD "\r\n", "AUTH PLAIN\r\n" GOOD "\r\n"};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(said); i++) {
		int fd = begin();
		size_t octets = stage.conf.sasl_line_limit + READ_OCTETS;

		memset(stage.front.input, 0, octets);
		stage_say(fd, slice_str(said[i]), false);
		check_row(i, said[i], strstr(stage_hear(fd, NULL), OPENED));
		check_row(i, said[i], !memmem(stage.front.input, octets, "good", 4));
		check_row(i, said[i], !memmem(stage.front.input, octets, "Z29v", 4));
		end(fd);
	}
}

/* Where passwords may not come in the clear, mechanisms that carry them are neither listed nor taken. */
static void test_plaintext(void **state)
{
	int fd = begin();

	(void)state;
	stage.conf.auth.plaintext_login = PLAINTEXT_TLS;
	stage.conf.gsasl.anonymous_user = "bob@example.test";
	stage_hear(fd, NULL);
	stage_say(fd, SLICE("AUTH\r\nAUTH PLAIN " GOOD "\r\nAUTH CRAM-MD5\r\nAUTH ANONYMOUS " GOOD "\r\n"), false);
	check(strcmp(stage_hear(fd, NULL),
		     "+OK Mechanisms follow\r\nANONYMOUS\r\n.\r\n-ERR Plaintext login is not allowed here\r\n"
		     "-ERR Mechanism is not available\r\n" OPENED) == 0);
	end(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogue),       cmocka_unit_test(test_client_goes),
		cmocka_unit_test(test_lost),           cmocka_unit_test(test_lost_while_it_has_the_turn),
		cmocka_unit_test(test_input_is_wiped), cmocka_unit_test(test_plaintext)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
