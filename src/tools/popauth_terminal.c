/* tools/popauth_terminal.c - secrets that somebody types: not shown, and nothing of them left in buffers */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tools/popauth.h"

/* A line of standard input, octet by octet: what follows it is for the next. */
static bool line_take(struct secret *out)
{
	struct buf b = BUF(out->octets);
	char c = '\0';
	ssize_t n;

	do {
		n = read(STDIN_FILENO, &c, 1);
		if (n == 1 && c != '\n')
			buf_char(&b, c);
	} while ((n == 1 && c != '\n') || (n < 0 && errno == EINTR));
	out->n = b.len;
	return !b.full && (b.len > 0 || n == 1);
}

bool terminal_ask(const char *prompt, struct secret *out)
{
	struct termios shown, hidden;
	bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;

	*out = (struct secret){0};
	if (terminal) { /* before anybody is asked: what is typed then is neither shown nor thrown away */
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	(void)fputs(prompt, stdout);
	(void)fflush(stdout);
	bool taken = line_take(out);

	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
		(void)putchar('\n');
	}
	return taken;
}

bool terminal_ask_twice(struct secret *out)
{
	struct secret again = {0};
	bool asked, same;

	do {
		asked = terminal_ask("Password:", out) && terminal_ask("Confirm :", &again);
		same = asked && secret_same(secret_slice(out), secret_slice(&again));
		if (asked && !same)
			(void)fputs("popauth: Passwords differ. Please retry.\n", stderr);
	} while (asked && !same);
	secret_wipe(&again);
	return asked;
}
