/* tests/store/test_mbox_crash.c - a commit of a mailbox in one file, and the scan before it, that die or fail at every call that changes something
 *
 * Whatever happens when, and whether mail comes before the next session or not: mail that was not deleted is there, once, and keeps its
 * unique-id; mail that was deleted is there whole, or not at all; what is answered is true; and the next session finds a mailbox. In each way that a
 * file is cut: a tail, written anew, and in place. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/journal.h"
#include "store/replay.h"

enum { MESSAGES = 6 };

static const struct way {
	const char *about, *marks;
	bool linked; /* a second name: changed in place */
	bool dotmail;
	unsigned stamps; /* so many messages get a header */
	bool flags;      /* all get flags and numbers */
} ways[] = {{"a tail", "---ddd", false, false, 0, false},
	    {"all", "dddddd", false, false, 0, false},
	    {"anew", "d-dd--", false, false, 0, false},
	    {"in place", "d-dd-d", true, false, 0, false},
	    {"dotmail, a tail", "---ddd", false, true, 0, false},
	    {"dotmail, all", "dddddd", false, true, 0, false},
	    {"dotmail, anew", "d-dd--", false, true, 0, false},
	    {"dotmail, in place", "d-dd-d", true, true, 0, false},
	    {"stamped", "------", false, false, 3, false},
	    {"stamped, flagged and anew", "d-dd--", false, false, 6, true},
	    {"dotmail, stamped and flagged", "--d---", false, true, 5, true},
	    {"not stamped in place", "d-dd-d", true, false, 6, true}};

enum { IN_PLACE = 7 };

static char uidls[MESSAGES][UIDL_MOST + 1]; /* as they were before */

static void deliver(const struct box *b, const struct way *w, int i)
{
	char text[256] = "", name[] = "A: 0\n\nbody";
	struct buf out = BUF(text);

	name[3] = (char)('0' + i);
	buf_str(&out, w->dotmail ? "" : "From a@example.org Mon Jan  5 10:00:00 2026\n");
	buf_str(&out, name);
	for (int k = 0; k < 10 * (MESSAGES - i); k++)
		buf_char(&out, name[3]);
	buf_str(&out, w->dotmail ? "\n.\n" : "\n\n");
	buf_char(&out, '\0');
	check(!out.full);
	box_append(b, text);
}

static void fill(struct box *b, const struct way *w)
{
	shim_reset();
	(w->dotmail ? box_new_dotmail : box_new_mbox)(b);
	for (int i = 0; i < MESSAGES; i++)
		deliver(b, w, i);
	if (w->stamps > 0)
		box_write_stamps(b);
	if (w->flags)
		box_write_flags(b);
	if (w->linked) {
		char other[128];

		check(snprintf(other, sizeof other, "%s/other", b->top) > 0 && link(b->path, other) == 0);
	}
	check(box_open(b) == OK && b->md.index.count == MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct message m;

		box_message(b, i, &m);
		memcpy(uidls[i], m.rec.uidl, sizeof uidls[i]);
	}
	box_close(b);
}

static _Noreturn void leave(int fd, int status)
{
	unsigned changes = shim.changes;

	shim_reset();
	_exit(write(fd, &changes, sizeof changes) == sizeof changes ? status : 51);
}

/* A session that deletes, in a process of its own: 40 all is done, 41 an error is told, 50 it was not opened, 99 killed. */
static int run_child(struct box *b, const struct way *w, enum shim_what what, unsigned at, int error, unsigned *changes)
{
	int pipes[2], status;

	check(pipe(pipes) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct outcome out;

		shim_reset();
		shim.what = what;
		shim.at = at;
		shim.error = error;
		if (box_open(b) != OK)
			leave(pipes[1], 50);
		if (w->stamps > 0)
			maildrop_retrieved(&b->md, 1, w->stamps, RETRIEVED_STAMP | (w->flags ? RETRIEVED_SEEN : 0));
		leave(pipes[1], box_commit(b, w->marks, &out) == OK ? 40 : 41);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	close(pipes[1]);
	*changes = 0;
	check(read(pipes[0], changes, sizeof *changes) >= 0);
	close(pipes[0]);
	return WEXITSTATUS(status);
}

static void check_mail(struct box *b, const struct way *w, enum shim_what what, unsigned at, int result, bool delivered)
{
	bool there[MESSAGES + 1] = {false};
	int previous = -1;

	check_row(at, b->why.text, box_open(b) == OK);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		bool stamped;
		const char *text = box_text_bare(b, i, &stamped);
		struct message m;

		check_row(at, text, strncmp(text, "A: ", 3) == 0);
		int n = text[3] - '0';

		check_row(at, text, n > previous && n <= MESSAGES);
		check_row(at, text, strlen(text) == strlen("A: 0\n\nbody\n") + 10 * (size_t)(MESSAGES - n));
		box_message(b, i, &m);
		check_row(at, text, n == MESSAGES || memcmp(uidls[n], m.rec.uidl, sizeof uidls[n]) == 0);
		check_row(at, text, !stamped || (n < (int)w->stamps && m.rec.stamp > 0));
		check_row(at, text,
			  result != 40 || what != SHIM_NOTHING || w->linked || stamped == (n < (int)w->stamps));
		there[n] = true;
		previous = n;
	}
	check_row(at, "what has come", there[MESSAGES] == delivered);
	for (int n = 0; n < MESSAGES; n++) {
		check_row(at, w->about, there[n] || w->marks[n] == 'd');
		check_row(at, "answered as done", result != 40 || there[n] == (w->marks[n] == '-'));
	}
}

/* The next session gives what is left its flags: numbers increase, and the first message says what comes next. */
static void check_flags(struct box *b, const struct way *w, enum shim_what what, unsigned at)
{
	unsigned long last = 0;
	struct outcome out;

	if (!w->flags || w->linked)
		return;
	check_row(at, b->why.text, box_commit(b, "", &out) == OK && out.unflagged == 0);
	check_row(at, b->why.text, box_open(b) == OK && b->md.index.flagged);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		const char *text = box_text(b, i), *uid = strstr(text, "\nX-UID: ");

		if (what == SHIM_ERROR && !uid)
			continue; /* what could not be written waits */
		check_row(at, text, uid && strtoul(uid + 8, NULL, 10) > last);
		check_row(at, text, strstr(text, "\nStatus: O") || what == SHIM_ERROR);
		check_row(at, text, (strstr(text, "\nX-IMAPbase: ") != NULL) == (i == 0));
		last = strtoul(uid + 8, NULL, 10);
	}
}

static void check_all(enum shim_what what, const struct shim_errors *errors, bool delivered)
{
	for (const struct way *w = ways; w < ways + TABLE_ROWS(ways); w++) {
		unsigned changes = 0, at = 0;

		do {
			struct box b;

			fill(&b, w);
			at += EACH_TRIED;
			int result = run_child(&b, w, what, at, shim_error_at(errors, at), &changes);

			if (delivered)
				deliver(&b, w, MESSAGES);
			check_mail(&b, w, changes < at ? SHIM_NOTHING : what, at, result, delivered);
			check_flags(&b, w, what, at);
			box_free(&b);
			if (result == 99)
				changes = at;
		} while (changes >= at);
		check_row(at, w->about, at > 10);
	}
}

static void test_killed(void **state)
{
	(void)state;
	check_all(SHIM_KILL, NULL, false);
	check_all(SHIM_KILL_BEHIND, NULL, true);
}

static void test_failed(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT, EACCES};

	(void)state;
	for (unsigned pass = 0; pass < shim_passes(TABLE_ROWS(errors)); pass++)
		check_all(SHIM_ERROR, &(struct shim_errors){errors, TABLE_ROWS(errors), pass}, false);
}

/* ---- a journal of which processes die ---- */

/* So many files of journals, of all or of those that are to be replayed. */
static unsigned journals(const struct box *b, bool (*is)(const char *name))
{
	int fd = openat(b->setup.journal_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	unsigned n = 0;

	check(d != NULL);
	/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
	while ((e = readdir(d)))
		n += is(e->d_name);
	closedir(d);
	return n;
}

static bool is_aside(const char *name)
{
	return strstr(name, ".aside-") != NULL;
}

/* A mailbox in the middle of a change in place. */
static void interrupt(struct box *b, const struct way *w)
{
	unsigned changes, at = 0;

	do {
		if (at > 0)
			box_free(b);
		fill(b, w);
		check(run_child(b, w, SHIM_KILL, ++at, 0, &changes) == 99);
	} while (journals(b, journal_is_name) == 0);
}

/* A process that replays it and dies at its change number `at`. */
static void open_and_die(struct box *b, unsigned at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		shim_reset();
		shim.what = SHIM_KILL;
		shim.at = at;
		(void)box_open(b);
		_exit(1);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 99);
}

/* It is tried so many times, then set aside, and the mailbox is not touched. An attempt that comes further is none of these. */
static void test_poisoned(void **state)
{
	enum { FIRST = 2 /* behind the one that counts the attempt */ };
	const struct way *w = &ways[IN_PLACE];
	char before[4096];
	struct box b;

	(void)state;
	interrupt(&b, w);
	check(snprintf(before, sizeof before, "%s", box_mbox(&b)) > 0);
	for (int i = 0; i < JOURNAL_ATTEMPTS; i++) {
		check_row(i, "to be replayed", journals(&b, journal_is_name) == 1 && journals(&b, is_aside) == 0);
		open_and_die(&b, FIRST);
	}
	(void)box_open(&b);
	check(journals(&b, journal_is_name) == 0 && journals(&b, is_aside) == 1);
	check(strcmp(before, box_mbox(&b)) == 0);
	box_free(&b);

	interrupt(&b, w);
	for (int i = 0; i < JOURNAL_ATTEMPTS - 1; i++)
		open_and_die(&b, FIRST);
	check(box_open(&b) == OK && journals(&b, journal_is_name) == 0 && journals(&b, is_aside) == 0);
	check(b.md.index.count == MESSAGES - 4);
	box_free(&b);
}

/* What a process that died has left of a journal that was never begun goes when it is old. */
static void test_swept(void **state)
{
	static const char *const names[] = {"0123456789abcdef.new", "0123456789abcdee.new", "spare",
					    "0123456789abcdef.aside-1"};
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct box b;

	(void)state;
	fill(&b, &ways[0]);
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		int fd = openat(b.setup.journal_dir, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		check_row(i, names[i], fd >= 0 && (i == 1 || futimens(fd, old) == 0) && close(fd) == 0);
	}
	replay_all(&b.setup);
	for (size_t i = 0; i < TABLE_ROWS(names); i++)
		check_row(i, names[i], (faccessat(b.setup.journal_dir, names[i], F_OK, 0) == 0) == (i > 0));
	box_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed),
					   cmocka_unit_test(test_poisoned), cmocka_unit_test(test_swept)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
