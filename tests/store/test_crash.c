/* tests/store/test_crash.c - a commit, and the scan before it, that die or fail at every call that changes something
 *
 * Whatever happens when, and whether mail comes before the next session or not: mail that was not deleted is there, once, and keeps its
 * unique-id; mail that was deleted is there whole, or not at all; and what is answered is true. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/maildir.h"
#include "store/mh.h"

enum { MESSAGES = 8 };
static const char marks[MESSAGES + 1] = "dd-d-dd-";
static char uidls[MESSAGES][UIDL_MOST + 1]; /* as they were before */
static bool indexed;                        /* the session finds an index, to which it appends; else it writes one */

static void maildir_name(char name[32], int i)
{
	check(snprintf(name, 32, i % 2 ? "new/%d.M1.h" : "cur/%d.M1.h:2,S", i) > 0);
}

static void mh_name(char name[32], int i)
{
	check(snprintf(name, 32, "%d", 10 + i) > 0);
}

/* Formats with a file for each message, and what message 1 is renamed to. */
static const struct format {
	const char *about;
	void (*box)(struct box *b);
	void (*name)(char name[32], int i);
	const char *renamed, *index;
	unsigned least; /* changes that a session makes */
	bool stamps;    /* messages get headers, and flags */
} formats[] = {{"Maildir", box_new, maildir_name, "cur/1.M1.h:2,", ".pop3-index", 10, false},
	       {"MH", box_new_mh, mh_name, "200", MH_INDEX_DIR "/listing", 7, false},
	       {"MH without backups", box_new_mh_without, mh_name, "200", MH_INDEX_DIR "/listing", 12, false},
	       {"Maildir, stamped and flagged", box_new, maildir_name, "cur/1.M1.h:2,", ".pop3-index", 10, true},
	       {"MH, stamped and flagged", box_new_mh, mh_name, "200", MH_INDEX_DIR "/listing", 7, true}};

static void deliver(const struct box *b, const struct format *f, int i)
{
	char name[32], text[32];

	f->name(name, i);
	check(snprintf(text, sizeof text, "A: %d\n\nbody\n", i) > 0);
	box_put(b, name, text);
}

static void fill(struct box *b, const struct format *f)
{
	f->box(b);
	if (f->stamps) {
		box_write_stamps(b);
		box_write_flags(b);
	}
	for (int i = 0; i < MESSAGES; i++)
		deliver(b, f, i);
	check(box_open(b) == OK && b->md.index.count == MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(uidls[i], m.rec.uidl, UIDL_MOST);
	}
	box_close(b);
	if (!indexed)
		box_remove(b, f->index);
}

/* A session that deletes, in a process of its own. Another program renames meanwhile, so that directories are read, too. */
static int run_child(struct box *b, const struct format *f, enum shim_what what, unsigned at, int error)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct outcome out;
		char name[32];

		shim_reset();
		shim.later_s = 10;
		shim.what = what;
		shim.at = at;
		shim.error = error;
		if (box_open(b) != OK)
			_exit(50);
		if (f->stamps)
			maildrop_retrieved(&b->md, 3, 1, RETRIEVED_STAMP | RETRIEVED_SEEN);
		f->name(name, 1);
		box_rename(b, name, f->renamed);
		_exit(box_commit(b, marks, &out) == OK ? 40 : out.failed == 0 ? 41 : 42);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Which messages there are; each whole, once, and called as before. */
static void check_mail(struct box *b, bool there[MESSAGES + 1], unsigned at)
{
	check_row(at, b->why.text, box_open(b) == OK);
	memset(there, 0, MESSAGES + 1);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		bool stamped;
		const char *text = box_text_bare(b, i, &stamped);
		struct message m;

		check_row(at, text, strlen(text) == strlen("A: 0\n\nbody\n"));
		int n = text[3] - '0';

		check_row(at, text, n >= 0 && n <= MESSAGES && !there[n]);
		box_message(b, i, &m);
		check_row(at, text, n == MESSAGES || strncmp(uidls[n], m.rec.uidl, UIDL_MOST) == 0);
		there[n] = true;
	}
}

/* The next session gives what is left its flags. */
static void check_flags(struct box *b, const struct format *f, enum shim_what what, unsigned at)
{
	struct outcome out;
	bool maildir = strcmp(b->md.driver->name, "maildir") == 0;

	if (!f->stamps || what == SHIM_ERROR) /* what could not be written waits */
		return;
	check_row(at, b->why.text, box_commit(b, "", &out) == OK && out.unflagged == 0);
	check_row(at, b->why.text, box_open(b) == OK && b->md.index.flagged && box_has(b, ".mu-prop"));
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		struct message m;

		box_message(b, i, &m);
		check_row(at, m.name,
			  maildir ? m.entry.dir == DIR_CUR && strstr(m.name, ",a=O,u=") != NULL
				  : strstr(box_text(b, i), "\nStatus: O") != NULL);
	}
}

static unsigned count_steps(const struct format *f)
{
	struct box b;
	struct outcome out;

	shim_reset();
	fill(&b, f);
	shim_reset();
	check(box_open(&b) == OK);
	if (f->stamps)
		maildrop_retrieved(&b.md, 3, 1, RETRIEVED_STAMP | RETRIEVED_SEEN);
	check(box_commit(&b, marks, &out) == OK);
	unsigned steps = shim.changes;

	shim_reset();
	box_free(&b);
	return steps;
}

static void check_format(const struct format *f, enum shim_what what, const struct shim_errors *errors, bool delivered)
{
	unsigned steps = count_steps(f);

	check_row(steps, f->about, steps > (indexed ? 6 : f->least));
	for (unsigned at = 1; at <= steps + 2; at += EACH_TRIED) {
		bool there[MESSAGES + 1];
		struct box b;

		shim_reset();
		fill(&b, f);
		int result = run_child(&b, f, what, at, shim_error_at(errors, at));

		if (delivered)
			deliver(&b, f, MESSAGES);
		check_mail(&b, there, at);
		check_row(at, "what has come", there[MESSAGES] == delivered);
		for (int n = 0; n < MESSAGES; n++) {
			check_row(at, uidls[n], there[n] || marks[n] == 'd');
			check_row(at, "answered as done", result != 40 || there[n] == (marks[n] == '-'));
		}
		/* One that could not be removed says so; a failed fsync is told, too. */
		check_row(at, "an error that is not told", what != SHIM_ERROR || result >= 40);
		check_flags(&b, f, what, at);
		box_free(&b);
	}
}

static void check_all(enum shim_what what, const struct shim_errors *errors, bool delivered)
{
	for (size_t i = 0; i < TABLE_ROWS(formats); i++)
		if (!formats[i].stamps || indexed) /* there are many steps */
			check_format(&formats[i], what, errors, delivered);
}

static void test_killed(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		indexed = i == 1;
		check_all(SHIM_KILL, NULL, false);
		check_all(SHIM_KILL_BEHIND, NULL, true);
	}
}

static void test_failed(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT, EACCES};

	(void)state;
	for (unsigned i = 0; i < 2 * shim_passes(TABLE_ROWS(errors)); i++) {
		indexed = i % 2 == 1;
		check_all(SHIM_ERROR, &(struct shim_errors){errors, TABLE_ROWS(errors), i / 2}, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
