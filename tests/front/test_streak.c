/* tests/front/test_streak.c - whom front looks for without sleeping, and for how long */
#include "front/streak.h"

#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

enum {
	TRIES = 100 * 1000,  /* commands, of which eight must follow another one at once for once */
	LOOKS = 1000 * 1000, /* which take longer than that */
};

static bool is_looking(void)
{
	return ev_is_active(&stage.front.streak.idle);
}

/* A command and its reply. `pause`: as if it had come so many seconds later. */
static void say(int fd, double pause)
{
	char reply[64];

	check(send(fd, "NOOP\r\n", 6, MSG_NOSIGNAL) == 6);
	stage.front.sessions->heard -= pause;
	while (recv(fd, reply, sizeof reply, MSG_DONTWAIT) < 0)
		ev_run(stage.loop, EVRUN_NOWAIT);
}

static int begin(void)
{
	stage_open();
	stage.message[0] = "Subject: one\n";
	stage.messages = 1;
	int fd = stage_client();

	stage_say(fd, SLICE("USER bob@example.test\r\nPASS good\r\n"), false);
	(void)stage_hear(fd, NULL);
	return fd;
}

static void end(int fd)
{
	close(fd);
	stage_run();
	stage_close();
}

static void test_streak(void **state)
{
	int fd = begin(), tries = 0, looks = 0;

	(void)state;
	say(fd, 1);
	for (int i = 0; i < 7; i++)
		say(fd, 0);
	check(!is_looking());
	while (!is_looking() && tries++ < TRIES)
		say(fd, 0);
	check(is_looking());
	while (is_looking() && looks++ < LOOKS)
		ev_run(stage.loop, EVRUN_NOWAIT);
	check(!is_looking() && stage.front.sessions);
	end(fd);
}

static void test_slow_client(void **state)
{
	int fd = begin();

	(void)state;
	for (int i = 0; i < 100; i++) {
		say(fd, 0.001);
		check(!is_looking());
	}
	end(fd);
}

/* It ends with the front, whoever it was for. */
static void test_front_ends(void **state)
{
	int fd = begin(), tries = 0;

	(void)state;
	while (!is_looking() && tries++ < TRIES)
		say(fd, 0);
	check(is_looking());
	stage_close(); /* before anything else is done: soon it would not look any more */
	check(!is_looking());
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streak),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_front_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
