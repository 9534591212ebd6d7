/* tests/store/test_crew.c - what several threads make of a scan is what one makes of it */
#include "store/crew.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/sanitized.h"
#include "box.h"
#include "check.h"
#include "shim.h"

enum { NOBODY = 65534, JOBS = 2000, FILES = 700, NEVER = INT32_MAX };

/* ---- the crew itself ---- */

struct job {
	uint32_t number, square;
};

struct lane {
	uint32_t jobs;
};

static uint32_t lanes_done, jobs_done;

static void square(void *job, void *lane)
{
	struct job *j = job;

	((struct lane *)lane)->jobs++;
	j->square = j->number * j->number;
	if (j->number % 100 == 0)
		usleep(1000); /* so that others are done before */
}

static void add_up(void *lane)
{
	(void)__atomic_add_fetch(&lanes_done, 1, __ATOMIC_RELAXED);
	(void)__atomic_add_fetch(&jobs_done, ((const struct lane *)lane)->jobs, __ATOMIC_RELAXED);
}

static const struct crew_task squares = {square, add_up, sizeof(struct job), sizeof(struct lane)};

static unsigned threads_now(void)
{
	char line[256];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/status", "r");

	check(f != NULL);
	while (fgets(line, sizeof line, f) && sscanf(line, "Threads: %u", &n) != 1) {
	}
	check(fclose(f) == 0);
	return n;
}

static uint32_t give_all(struct crew *c, uint32_t from)
{
	struct job *j;

	for (; from < JOBS && (j = crew_place(c)) != NULL; from++) {
		j->number = from;
		crew_give(c);
	}
	return from;
}

static void test_order(void **state)
{
	struct crew *c = crew_new(&squares, JOBS);
	uint32_t given = 0, taken = 0;
	const struct job *j;

	(void)state;
	lanes_done = jobs_done = 0;
	check(c != NULL && threads_now() > 2);
	for (given = give_all(c, given); (j = crew_take(c)) != NULL; taken++) {
		given = give_all(c, given); /* what was taken stays */
		check_row(taken, "in its order", j->number == taken && j->square == taken * taken);
	}
	crew_free(c);
	check(taken == JOBS && jobs_done == JOBS && lanes_done > 1);
}

/* Threads that have ended are gone a moment later for who looks into /proc. */
static void check_alone(void)
{
	check_ends_within(60);
	while (threads_now() > 1)
		usleep(1000);
	(void)alarm(0);
}

static void test_ends_early(void **state)
{
	(void)state;
	for (uint32_t take = 0; take < 3; take++) {
		struct crew *c = crew_new(&squares, JOBS);

		check(c != NULL && give_all(c, 0) > 2);
		for (uint32_t i = 0; i < take; i++)
			check(crew_take(c) != NULL);
		crew_free(c);
	}
	crew_free(NULL);
	check_alone();
}

static void test_few(void **state)
{
	(void)state;
	crew_set_many(0);
	check(crew_new(&squares, 511) == NULL && threads_now() == 1);
	crew_set_many(3);
	check(crew_new(&squares, 2) == NULL);
	crew_free(crew_new(&squares, 3));
	crew_set_many(0);
}

/* ---- scans ---- */

static bool in_threads; /* messages were opened, or read, by others than the one who scans */

static void see_thread(void)
{
	if (syscall(SYS_gettid) != getpid())
		__atomic_store_n(&in_threads, true, __ATOMIC_RELAXED);
}

/* While the scan goes on, some messages go, and some are links by now. */
static const struct box *scanned;

static bool goes(unsigned i)
{
	return i % 97 == 96;
}

static bool turns(unsigned i)
{
	return i % 89 == 88;
}

static void change(const char *file)
{
	bool mh = strspn(file, "0123456789") == strlen(file);
	unsigned number = mh ? (unsigned)strtoul(file, NULL, 10) : 0;
	bool gone = mh ? goes(number) : strstr(file, "gone") != NULL,
	     turn = mh ? turns(number) : strstr(file, "turn") != NULL;
	char path[256];

	see_thread();
	if (!gone && !turn)
		return;
	check(snprintf(path, sizeof path, "%s/%s%s", scanned->path, mh ? "" : "cur/", file) < (int)sizeof path);
	(void)unlink(path);
	if (turn)
		check(symlink("elsewhere", path) == 0);
}

/* Not what a link there leads to. */
static void put_file(const struct box *b, const char *name, const char *text)
{
	char path[256];

	check(snprintf(path, sizeof path, "%s/%s", b->path, name) < (int)sizeof path);
	(void)unlink(path);
	box_put(b, name, text);
}

static char large[300 * 1024];

static void put_maildir(const struct box *b, unsigned i)
{
	const char *kind = goes(i) ? "gone" : turns(i) ? "turn" : i % 83 == 82 ? "twin" : "host";
	char name[64], text[128];
	bool changes = goes(i) || turns(i); /* those are in cur/ */

	check(snprintf(name, sizeof name, "%s/%u.M%uP1.%s:2,%s", i % 5 || changes ? "cur" : "new", 1767600000 + i / 3,
		       i % 83 == 81 || i % 83 == 82 ? 1 : i, kind, i % 7 ? "S" : "T") > 0);
	check(snprintf(text, sizeof text, "Subject: %u\n%s\n%s", i, i % 11 ? "" : "X-Expire-Timestamp: 5\n",
		       i % 3   ? "text"
		       : i % 2 ? "\n.dots\r\n"
			       : "") > 0);
	put_file(b, name, i % 13 == 0 ? "" : i % 50 == 49 ? large : text);
}

static void put_mh(const struct box *b, unsigned i)
{
	char name[16], text[128];

	check(snprintf(name, sizeof name, "%u", i + 1) > 0);
	check(snprintf(text, sizeof text, "Subject: %u\n%s\n%s", i / 2, i % 11 ? "" : "Status: D\n",
		       i % 3 ? "text" : "\n.dots\r\n") > 0);
	put_file(b, name, i % 13 == 0 ? "" : i % 50 == 49 ? large : text);
}

/* What may look like the beginning of a message, and is it or not. */
static void put_mbox(const struct box *b, unsigned i)
{
	static const char from[] = "From a@example.org Mon Jan  5 10:00:00 2026\n";
	static const char *const odd[] = {
		"\n\n\n",
		"a line\r\n\r\nFrom b@example.org Mon Jan  5 10:00:00 2026\r\nSubject: CRLF\r\n\r\nx\r\n\r\n",
		"\nFrom the beginning, no date\n\n",
		"no empty line before\nFrom a@example.org Mon Jan  5 10:00:00 2026\n\n",
		"\n>From a@example.org Mon Jan  5 10:00:00 2026\n\n",
		"\nFrom a@example.org Mon Jan  5 10:00:00 2026\n\n", /* a message without header */
		"\nFrom a@example.org Mon Jan  5 10:00:00 2026\n",
	};
	char text[512];

	if (i == 0)
		box_append(b, "\n\nFrom a@example.org Mon Jan  5 10:00:00 2026\nX-IMAP: 1 2\nSubject: DON'T DELETE -- "
			      "FOLDER INTERNAL DATA\n\n\n");
	check(snprintf(text, sizeof text, "%sSubject: %u\n%s\n%s\n%s", from, i / 2,
		       i % 31 ? "" : "X-UIDL: 0123456789abcdef0123456789abcdef.1.2\n", i % 3 ? "text\n" : "",
		       i % 5 ? "" : odd[i / 5 % TABLE_ROWS(odd)]) < (int)sizeof text);
	box_append(b, text);
	if (i % 100 == 99) {
		box_append(b, large);
		box_append(b, "\n\n");
	}
}

static void put_dotmail(const struct box *b, unsigned i)
{
	char text[128];

	check(snprintf(text, sizeof text, "Subject: %u\n\n%s.\n", i, i % 3 ? "text\n..dots\n" : "") > 0);
	box_append(b, text);
}

static const struct crowd {
	const char *about;
	void (*box)(struct box *b);
	void (*put)(const struct box *b, unsigned i);
	bool threads;
	bool known;         /* half of it is, before the rest comes */
	uint32_t rows;      /* of parts (store/room.h); 0: as ever */
	const char *broken; /* in the path of one that cannot be opened; NULL: none */
	bool shorter;       /* the file is truncated while it is read */
} crowds[] = {
	{"Maildir", box_new, put_maildir, true, false, 0, NULL, false},
	{"Maildir, half of it known", box_new, put_maildir, true, true, 0, NULL, false},
	{"Maildir, one that cannot be read", box_new, put_maildir, true, false, 0, "M350P", false},
	{"MH", box_new_mh, put_mh, true, false, 0, NULL, false},
	{"MH, half of it known", box_new_mh, put_mh, true, true, 0, NULL, false},
	{"MH, one that cannot be read", box_new_mh, put_mh, true, false, 0, "350", false},
	{"mbox", box_new_mbox, put_mbox, true, false, 0, NULL, false},
	{"mbox, half of it known", box_new_mbox, put_mbox, true, true, 0, NULL, false},
	{"mbox, in parts smaller than messages", box_new_mbox, put_mbox, true, false, 3, NULL, false},
	{"mbox, in parts of few messages", box_new_mbox, put_mbox, true, true, 101, NULL, false},
	{"mbox, in parts of too many", box_new_mbox, put_mbox, true, false, 256 * 1024, NULL, false},
	{"mbox, made shorter", box_new_mbox, put_mbox, true, false, 0, NULL, true},
	{"dotmail", box_new_dotmail, put_dotmail, false, false, 0, NULL, false},
};

static bool shortens;

static void read_hook(void)
{
	see_thread();
	if (__atomic_exchange_n(&shortens, false, __ATOMIC_RELAXED))
		check(truncate(scanned->path, 4096) == 0);
}

struct result {
	struct scan scan;
	enum err err;
	struct why why;
};

static enum err scan_now(struct box *b, const struct scan *known, struct result *r)
{
	shim.before_open = change;
	shim.before_read = read_hook;
	r->err = b->md.driver->scan(&b->md, known, &r->scan, &r->why);
	shim_reset();
	return r->err;
}

static void scan_by(const struct crowd *c, uint64_t many, struct result *r)
{
	struct result known = {.why = {""}};
	struct box b;
	unsigned i = 0;

	c->box(&b);
	scanned = &b;
	check_row(0, c->about, box_open(&b) == OK);
	room_set_rows(c->rows ? c->rows : ROOM_ROWS);
	crew_set_many(NEVER);
	for (; i < FILES / 2; i++)
		c->put(&b, i);
	if (c->known)
		check_row(0, c->about, scan_now(&b, &(struct scan){0}, &known) == OK && known.scan.count > 0);
	for (; i < FILES; i++)
		c->put(&b, i);
	in_threads = false;
	crew_set_many(many);
	shim.path = c->broken;
	shim.path_error = EIO;
	shortens = c->shorter;
	(void)scan_now(&b, &known.scan, r);
	crew_set_many(0);
	room_set_rows(ROOM_ROWS);
	scan_done(&known.scan);
	box_free(&b);
}

/* Another box has other inodes and times. */
static void check_alike(const struct crowd *c, const struct result *a, const struct result *b)
{
	bool fails = c->broken || c->shorter;

	check_row(0, c->about, a->err == b->err && strcmp(a->why.text, b->why.text) == 0);
	check_row(0, a->why.text, (a->err == OK) == !fails);
	check_row(0, c->about, fails || (a->scan.count == b->scan.count && a->scan.count > FILES / 2));
	for (uint32_t i = 0; i < a->scan.count && a->err == OK; i++) {
		const struct scan_entry *e = &a->scan.entry[i], *f = &b->scan.entry[i];

		check_row(i, c->about, memcmp(&a->scan.rec[i], &b->scan.rec[i], sizeof *a->scan.rec) == 0);
		check_row(i, c->about, slice_eq(scan_name(&a->scan, i), scan_name(&b->scan, i)));
		check_row(i, c->about, e->dir == f->dir && e->name_at == f->name_at);
		check_row(i, c->about, e->id == f->id || c->put == put_maildir);
		check_row(i, c->about, e->at == f->at || c->put == put_maildir || c->put == put_mh);
	}
}

static void test_alike(void **state)
{
	(void)state;
	memset(large, 'x', sizeof large - 1);
	for (size_t i = 0; i < TABLE_ROWS(crowds); i++) {
		struct result one = {.why = {""}}, several = {.why = {""}};

		scan_by(&crowds[i], NEVER, &one);
		check_row(i, "one", !in_threads);
		scan_by(&crowds[i], 1, &several);
		check_row(i, crowds[i].about, in_threads == crowds[i].threads);
		check_alike(&crowds[i], &one, &several);
		check_alone();
		scan_done(&one.scan);
		scan_done(&several.scan);
	}
}

/* What is made once in a process (tables of checksums, a hash) is there before the threads are. */
static void test_first_of_a_process(void **state)
{
	(void)state;
	memset(large, 'x', sizeof large - 1);
	for (size_t i = 0; i < TABLE_ROWS(crowds); i++) {
		struct result one = {.why = {""}}, several = {.why = {""}};
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			scan_by(&crowds[i], 1, &several);
			scan_by(&crowds[i], NEVER, &one);
			check_alike(&crowds[i], &one, &several);
			_exit(0);
		}
		check(waitpid(pid, &status, 0) == pid);
		check_row(i, crowds[i].about, WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Where no thread may be made, the one does it all. */
static void test_no_threads(void **state)
{
	const struct rlimit none = {0, 0};

	(void)state;
	if (geteuid() != 0) {
		print_message("test_no_threads needs root\n");
		skip();
	}
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(setrlimit(RLIMIT_NPROC, &none) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
				      crew_new(&squares, JOBS) == NULL && threads_now() == 1
			      ? 0
			      : 1);
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_of_a_process),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ends_early),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_no_threads),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
