/* tests/store/test_uidl_crash.c - a session with identical copies that dies or
 * fails at every call that changes something
 *
 * A copy has come, the session shows it, and deletes two of the others.
 * Whatever happens when, and whether the index is left or not: what was shown
 * keeps its id, what is gone takes its id with it, and no two messages have
 * one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

static const char copy[] = "A: copy\n\nbody\n", other[] = "A: other\n\nbody\n";

enum { BEFORE = 4, ALL = 5, NEW = 4 };
static const char marks[] = "d-d--";     /* of copy copy copy other copy */
static const uint32_t stay[] = {1, NEW}; /* of the copies */
static const uint32_t go[] = {0, 2};

struct shown {
	uint32_t n, changes;
	char id[ALL][UIDL_MOST + 1];
};

static void read_shown(struct box *b, struct shown *s)
{
	check(b->md.index.count <= ALL);
	s->n = b->md.index.count;
	for (uint32_t i = 0; i < s->n; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(s->id[i], m.rec.uidl, UIDL_MOST + 1);
	}
}

/* ---- formats ---- */

static void deliver_mbox(const struct box *b, const char *text)
{
	box_append(b, "From a@example.org Mon Jan  5 10:00:00 2026\n");
	box_append(b, text);
	box_append(b, "\n");
}

/* Changed in place. */
static void link_box(const struct box *b)
{
	char name[128];

	check(snprintf(name, sizeof name, "%s/other", b->top) > 0 && link(b->path, name) == 0);
}

static const struct format {
	const char *about;
	void (*make)(struct box *b);
	void (*deliver)(const struct box *b, const char *text);
	void (*prepare)(const struct box *b);
	const char *index; /* below b->top */
	bool at_once;
	unsigned least; /* changes that a session makes */
} formats[] = {
	{"mbox", box_new_mbox, deliver_mbox, NULL, ".mbox.pop3idx", true, 20},
	{"mbox, in place", box_new_mbox, deliver_mbox, link_box, ".mbox.pop3idx", true, 20},
	{"MH without backups", box_new_mh_without, box_mh_deliver, NULL, "Maildir/.pop3-index/listing", false, 18}};

static void fill(struct box *b, struct shown *before, const struct format *f)
{
	shim_reset();
	shim.no_sync = true;
	f->make(b);
	for (int i = 0; i < BEFORE; i++)
		f->deliver(b, i < BEFORE - 1 ? copy : other);
	if (f->prepare)
		f->prepare(b);
	check(box_open(b) == OK);
	read_shown(b, before);
	check(before->n == BEFORE);
	box_close(b);
	f->deliver(b, copy);
}

/* 40: all is done; 41: an error was told; 50: not opened; 99: killed. What was
 * shown comes through the pipe. */
static int run_child(struct box *b, enum shim_what what, unsigned at, int error, struct shown *shown, unsigned *changes)
{
	int pipes[2], status;

	check(pipe(pipes) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct shown s = {0};
		struct outcome out;
		int result = 50;

		shim_reset();
		shim.no_sync = true;
		shim.what = what;
		shim.at = at;
		shim.error = error;
		if (box_open(b) == OK) {
			struct shim armed = shim;

			shim_reset();
			read_shown(b, &s);
			check(syscall(SYS_write, pipes[1], &s, sizeof s) == sizeof s); /* not through the shim */
			shim = armed;
			result = s.n == ALL ? box_commit(b, marks, &out) == OK ? 40 : 41 : 50;
		}
		s.changes = shim.changes;
		shim_reset();
		_exit(syscall(SYS_write, pipes[1], &s, sizeof s) == sizeof s ? result : 51);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	close(pipes[1]);
	*shown = (struct shown){0};
	*changes = 0;
	struct shown s;

	while (read(pipes[0], &s, sizeof s) == sizeof s) {
		if (s.n > 0 || s.changes == 0)
			*shown = s;
		*changes = s.changes;
	}
	close(pipes[0]);
	return WEXITSTATUS(status);
}

static bool has_id(const struct shown *s, const char *id)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->id[i], id) == 0)
			return true;
	return false;
}

static void check_after(struct box *b, const struct format *f, unsigned at, int result, const struct shown *before,
			const struct shown *shown)
{
	struct shown now;
	uint32_t left = 0;

	check_row(at, b->why.text, box_open(b) == OK);
	read_shown(b, &now);
	check_row(at, "all or nothing", now.n == ALL || now.n == ALL - TABLE_ROWS(go) || !f->at_once);
	check_row(at, "done is done", result != 40 || now.n == ALL - TABLE_ROWS(go));
	for (uint32_t i = 0; i < now.n; i++)
		for (uint32_t k = 0; k < i; k++)
			check_row(at, now.id[i], strcmp(now.id[i], now.id[k]) != 0);
	for (size_t i = 0; i < TABLE_ROWS(stay); i++)
		if (stay[i] < BEFORE)
			check_row(at, before->id[stay[i]], has_id(&now, before->id[stay[i]]));
		else if (shown->n == ALL)
			check_row(at, f->about, has_id(&now, shown->id[stay[i]]));
	for (size_t i = 0; i < TABLE_ROWS(go); i++)
		left += has_id(&now, before->id[go[i]]);
	check_row(at, "gone with their ids", left == now.n - (ALL - TABLE_ROWS(go)));
	check_row(at, before->id[3], has_id(&now, before->id[3]));
}

static void lose_index(const struct box *b, const struct format *f)
{
	char path[160];

	check(snprintf(path, sizeof path, "%s/%s", b->top, f->index) > 0);
	(void)unlink(path);
}

static void check_format(const struct format *f, enum shim_what what, const struct shim_errors *errors, bool lose)
{
	unsigned changes = 0, at = 0;

	do {
		struct box b;
		struct shown before, shown;

		fill(&b, &before, f);
		at += EACH_TRIED;
		int result = run_child(&b, what, at, shim_error_at(errors, at), &shown, &changes);

		check_row(at, "the test itself", result != 51);
		if (lose)
			lose_index(&b, f);
		check_after(&b, f, at, result, &before, &shown);
		check_after(&b, f, at, result, &before, &shown);
		box_free(&b);
		if (result == 99)
			changes = at;
	} while (changes >= at);
	check_row(at, f->about, at > f->least);
}

static void check_all(enum shim_what what, const struct shim_errors *errors)
{
	for (size_t i = 0; i < 2 * TABLE_ROWS(formats); i++)
		check_format(&formats[i / 2], what, errors, i % 2);
}

static void test_killed(void **state)
{
	(void)state;
	check_all(SHIM_KILL, NULL);
}

static void test_failed(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EACCES};

	(void)state;
	for (unsigned pass = 0; pass < shim_passes(TABLE_ROWS(errors)); pass++)
		check_all(SHIM_ERROR, &(struct shim_errors){errors, TABLE_ROWS(errors), pass});
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
