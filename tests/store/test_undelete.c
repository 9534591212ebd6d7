/* tests/store/test_undelete.c - `undelete' dies or fails at every call that changes something
 *
 * A mark is there or cleared, never half; no message is changed otherwise, gets another unique-id, or goes; and the next session clears what is left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

enum { MESSAGES = 5 };
static char uidls[MESSAGES][UIDL_MOST + 1]; /* as they were before */

static bool is_marked(int i)
{
	return i % 2 == 0;
}

static const char *text_of(int i, char mark)
{
	static char text[64];

	check(snprintf(text, sizeof text, "A: %d\nStatus: R%c\n\nbody\n", i, mark) > 0);
	return text;
}

static void put_mbox(const struct box *b, int i)
{
	box_append(b, "From a@example.org Mon Jan  5 10:00:00 2026\n");
	box_append(b, text_of(i, is_marked(i) ? 'D' : 'O'));
	box_append(b, "\n");
}

static void put_dotmail(const struct box *b, int i)
{
	box_append(b, text_of(i, is_marked(i) ? 'D' : 'O'));
	box_append(b, ".\n");
}

static void put_mh(const struct box *b, int i)
{
	box_mh_deliver(b, text_of(i, is_marked(i) ? 'D' : 'O'));
}

static void put_maildir(const struct box *b, int i)
{
	char name[32];

	check(snprintf(name, sizeof name, "cur/%d.M1.h:2,S%s", i, is_marked(i) ? "T" : "") > 0);
	box_put(b, name, text_of(i, 'O'));
}

static const struct format {
	const char *about;
	void (*box)(struct box *b);
	void (*put)(const struct box *b, int i);
} formats[] = {{"mbox", box_new_mbox, put_mbox},
	       {"dotmail", box_new_dotmail, put_dotmail},
	       {"MH", box_new_mh, put_mh},
	       {"Maildir", box_new, put_maildir}};

static void check_uidls(struct box *b, unsigned at, bool first)
{
	check_row(at, b->why.text, b->md.index.count == MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct message m;

		box_message(b, i, &m);
		if (first)
			memcpy(uidls[i], m.rec.uidl, UIDL_MOST);
		check_row(at, uidls[i], strncmp(uidls[i], m.rec.uidl, UIDL_MOST) == 0);
	}
}

static void fill(struct box *b, const struct format *f)
{
	f->box(b);
	for (int i = 0; i < MESSAGES; i++)
		f->put(b, i);
	check(box_open(b) == OK);
	check_uidls(b, 0, true);
	box_close(b);
	b->setup.undelete = true;
}

/* A session that opens it, in a process of its own. */
static void run_child(struct box *b, enum shim_what what, unsigned at)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		shim_reset();
		shim.what = what;
		shim.at = at;
		shim.error = ENOSPC;
		_exit(box_open(b) == OK ? 40 : 50);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
}

/* Every message whole, with its mark or without; marks: how many have one. */
static void check_mail(struct box *b, unsigned at, unsigned *marks)
{
	*marks = 0;
	check_row(at, b->why.text, box_open(b) == OK);
	check_uidls(b, at, false);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		const char *text = box_text(b, i);
		bool marked = strcmp(text, text_of((int)i, 'D')) == 0;
		struct message m;

		check_row(at, text, marked || strcmp(text, text_of((int)i, 'O')) == 0);
		box_message(b, i, &m);
		const char *flags = strstr(m.name, ":2,");

		marked = marked || (flags && strchr(flags, 'T'));
		check_row(at, text, !marked || is_marked((int)i));
		*marks += marked;
	}
	box_close(b);
}

static unsigned count_steps(const struct format *f)
{
	struct box b;

	fill(&b, f);
	shim_reset();
	check(box_open(&b) == OK);
	unsigned steps = shim.changes;

	box_free(&b);
	return steps;
}

static void check_format(const struct format *f, enum shim_what what)
{
	unsigned steps = count_steps(f), left = 0;

	check_row(steps, f->about, steps > 3);
	for (unsigned at = 1; at <= steps + 1; at++) {
		unsigned marks;
		struct box b;

		shim_reset();
		fill(&b, f);
		run_child(&b, what, at);
		b.setup.undelete = false;
		check_mail(&b, at, &marks);
		left += marks > 0;
		b.setup.undelete = true;
		check_row(at, b.why.text, box_open(&b) == OK);
		box_close(&b);
		check_mail(&b, at, &marks);
		check_row(at, f->about, marks == 0);
		box_free(&b);
	}
	check_row(left, "some died before they were done, and some behind it", left > 0 && left <= steps);
}

static void test_killed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++) {
		check_format(&formats[i], SHIM_KILL);
		check_format(&formats[i], SHIM_KILL_BEHIND);
	}
}

static void test_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(formats); i++)
		check_format(&formats[i], SHIM_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
