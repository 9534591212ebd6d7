/* tests/ipc/test_old_line.c - Mailutils' texts: only where they are asked for, and always one line */
#include "ipc/old_line.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"

static const struct {
	enum old_line which;
	struct slice args[OLD_ARGS];
	const char *line;
} lines[] = {
	{OLD_LOGIN, {TEXT("bob"), TEXT("virtdomain")}, "info: POP3 login: user `bob', source virtdomain"},
	{OLD_WRONG, {TEXT("a\r\nb\0c\x1b")}, "info: user `a\\x0d\\x0ab\\x00c\\x1b': authentication failed"},
	{OLD_WRONG, {TEXT("%1%2%s")}, "info: user `%1%2%s': authentication failed"},
	{OLD_OPENED, {TEXT("bob"), TEXT("/m"), TEXT("2")}, "info: user `bob' logged in with mailbox `/m' (2 messages)"},
	{OLD_READ_TIMED_OUT, {TEXT("unused")}, "error: Read time out"},
};

static void test_lines(void **state)
{
	struct log_setup setup = {.severity = LOG_DEBUG, .print_severity = true, .tag = "t"};
	int fds[2];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0);
	setup.fd = fds[0];
	for (int on = 0; on <= 1; on++) {
		setup.compatible = on;
		log_setup(&setup);
		for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
			char got[256] = "";
			ssize_t n;

			check_row(i, lines[i].line, old_line(lines[i].which, lines[i].args) == (bool)on);
			n = read(fds[1], got, sizeof got - 1);
			if (!on) {
				check_row(i, lines[i].line, n < 0);
				continue;
			}
			check_row(i, got, n > 4 && got[n - 1] == '\n');
			got[n - 1] = '\0';
			check_row(i, got, strcmp(got + strlen("t: "), lines[i].line) == 0);
		}
	}
	close(fds[0]);
	close(fds[1]);
}

/* Every row is there. */
static void test_table(void **state)
{
	int fds[2];
	char got[256];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0);
	log_setup(&(struct log_setup){.fd = fds[0], .severity = LOG_DEBUG, .compatible = true, .tag = "t"});
	for (int i = 0; i < OLD_LINES; i++) {
		check_row(i, "written", old_line((enum old_line)i, OLD(SLICE("x"))));
		check_row(i, "has a text", read(fds[1], got, sizeof got) > (ssize_t)strlen("t: \n"));
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
