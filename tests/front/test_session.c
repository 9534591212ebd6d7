/* tests/front/test_session.c - the dialogue, whatever way octets and mail come, and what happens when something breaks */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

#define HELLO "+OK POP3 Ready\r\n"
#define LOGIN "USER bob@example.test\r\nPASS good\r\n"
#define OPEN HELLO "+OK\r\n+OK maildrop has 3 messages (98 octets)\r\n"
#define CAPABILITIES                                                                                                   \
	"+OK Capability list follows\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n"                 \
	"EXPIRE NEVER\r\nUSER\r\n"

/* Stored with LF; 38, 32 and 28 octets on the wire. */
static const char *const mail[] = {
	"Subject: one\n\nfirst\nsecond\nthird",
	"Subject: two\n\n.\n..\n.dot\r\nx\n",
	"Subject: three\nTo: nobody\n",
};

static void fill(void)
{
	for (size_t i = 0; i < TABLE_ROWS(mail); i++)
		stage.message[i] = mail[i];
	stage.messages = TABLE_ROWS(mail);
}

static const struct {
	const char *name, *in, *out;
	bool closes;
} dialogue[] = {
	{"quit", "QUIT\r\n", HELLO "+OK\r\n", true},
	{"before login", "STAT\r\nLIST\r\nNOOP\r\nRETR 1\r\nXYZZY\r\n\r\nAPOP a b\r\nSTLS\r\nAUTH PLAIN\r\n",
	 HELLO "-ERR Incorrect state\r\n-ERR Incorrect state\r\n+OK\r\n-ERR Incorrect state\r\n"
	       "-ERR Invalid command\r\n-ERR Invalid command\r\n-ERR Invalid command\r\n-ERR Invalid command\r\n"
	       "-ERR Mechanism is not available\r\n",
	 false},
	{"capa", "CAPA\r\ncapa x\r\n", HELLO CAPABILITIES ".\r\n-ERR Invalid arguments\r\n", false},
	{"capa after login", LOGIN "CAPA\r\n", OPEN CAPABILITIES "IMPLEMENTATION Poplar\r\n.\r\n", false},
	{"user", "USER\r\nUSER a b\r\nPASS x\r\nUSER  bob@example.test \r\nNOOP\r\nCAPA\r\npass good\r\n",
	 HELLO "-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n-ERR Invalid command\r\n+OK\r\n"
	       "+OK\r\n" CAPABILITIES ".\r\n+OK maildrop has 3 messages (98 octets)\r\n",
	 false},
	{"wrong, then right", "USER bob@example.test\r\nPASS bad\r\nPASS good\r\n" LOGIN "USER x\r\n",
	 HELLO "+OK\r\n-ERR [AUTH] Bad login\r\n-ERR Invalid command\r\n+OK\r\n"
	       "+OK maildrop has 3 messages (98 octets)\r\n-ERR Incorrect state\r\n",
	 false},
	{"bare LF, blanks", " \tuser\tbob@example.test\n  PASS good\nSTAT  \nnoop\t\n", OPEN "+OK 3 98\r\n+OK\r\n",
	 false},
	{"listing", LOGIN "STAT\r\nLIST\r\nUIDL\r\nLIST 2\r\nUIDL 3\r\n",
	 OPEN "+OK 3 98\r\n+OK\r\n1 38\r\n2 32\r\n3 28\r\n.\r\n+OK\r\n1 uid-1\r\n2 uid-2\r\n3 uid-3\r\n.\r\n"
	      "+OK 2 32\r\n+OK 3 uid-3\r\n",
	 false},
	{"numbers",
	 LOGIN "LIST 1x\r\nLIST 0\r\nLIST 4\r\nLIST 4294967297\r\nLIST 18446744073709551617\r\nLIST -1\r\n"
	       "LIST 1 2\r\nRETR\r\nTOP 1\r\nTOP 1 x\r\nTOP x 1\r\nTOP 1 1 1\r\nDELE\r\nSTAT 1\r\n",
	 OPEN "-ERR Invalid arguments\r\n-ERR No such message\r\n-ERR No such message\r\n-ERR No such message\r\n"
	      "-ERR No such message\r\n-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n"
	      "-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n"
	      "-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n-ERR Invalid arguments\r\n",
	 false},
	{"retr", LOGIN "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 2\r\n",
	 OPEN "+OK 38 octets\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n.\r\n"
	      "+OK 32 octets\r\nSubject: two\r\n\r\n..\r\n...\r\n..dot\r\nx\r\n.\r\n"
	      "+OK 28 octets\r\nSubject: three\r\nTo: nobody\r\n.\r\n"
	      "+OK 32 octets\r\nSubject: two\r\n\r\n..\r\n...\r\n..dot\r\nx\r\n.\r\n",
	 false},
	{"top", LOGIN "TOP 1 0\r\nTOP 1 2\r\nTOP 2 99\r\nTOP 3 1\r\nRETR 1\r\n",
	 OPEN "+OK\r\nSubject: one\r\n\r\n.\r\n+OK\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\n.\r\n"
	      "+OK\r\nSubject: two\r\n\r\n..\r\n...\r\n..dot\r\nx\r\n.\r\n"
	      "+OK\r\nSubject: three\r\nTo: nobody\r\n.\r\n"
	      "+OK 38 octets\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n.\r\n",
	 false},
	{"dele and rset",
	 LOGIN "DELE 2\r\nDELE 2\r\nRETR 2\r\nTOP 2 0\r\nLIST 2\r\nUIDL 2\r\nSTAT\r\nLIST\r\nUIDL\r\n"
	       "RSET\r\nSTAT\r\nDELE 9\r\nQUIT\r\n",
	 OPEN "+OK Message 2 marked\r\n-ERR Message has been deleted\r\n-ERR Message has been deleted\r\n"
	      "-ERR Message has been deleted\r\n-ERR Message has been deleted\r\n-ERR Message has been deleted\r\n"
	      "+OK 2 66\r\n+OK\r\n1 38\r\n3 28\r\n.\r\n+OK\r\n1 uid-1\r\n3 uid-3\r\n.\r\n"
	      "+OK\r\n+OK 3 98\r\n-ERR No such message\r\n+OK\r\n",
	 true},
	{"commit", LOGIN "DELE 1\r\nDELE 3\r\nQUIT\r\nSTAT\r\n",
	 OPEN "+OK Message 1 marked\r\n+OK Message 3 marked\r\n+OK\r\n", true},
	{"NUL", "QU", HELLO, false},
};

/* Every dialogue, by whole and by octet, with mail in all the ways that it may come. */
static void test_dialogue(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(dialogue); i++)
		for (int way = 0; way < 2 * HOWS; way++) {
			stage_open();
			fill();
			stage.how = (enum stage_how)(way / 2);
			int fd = stage_client();
			char all[8192] = "";

			/* Of a client that waits for nothing, replies may be read only when QUIT is acknowledged. */
			strcat(all, stage_hear(fd, NULL));
			stage_say(fd, slice_str(dialogue[i].in), way % 2);
			strcat(all, stage_hear(fd, NULL));
			for (int turn = 0; turn < 100 && dialogue[i].closes && stage.front.sessions; turn++)
				ev_run(stage.loop, EVRUN_ONCE);
			strcat(all, stage_hear(fd, NULL));
			if (strcmp(all, dialogue[i].out) != 0)
				print_error("way %d: %s", way, all);
			check_row(i, dialogue[i].name, strcmp(all, dialogue[i].out) == 0);
			check_row(i, dialogue[i].name, stage_is_closed(fd) == dialogue[i].closes);
			close(fd);
			stage_close();
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
