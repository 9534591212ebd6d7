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
	lanes_done++;
	jobs_done += ((const struct lane *)lane)->jobs;
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

/* While the scan goes on, what has `gone' in its name goes, and what has `turn' is a link by now. */
static const struct box *scanned;

static void change(const char *file)
{
	char path[256];

	see_thread();
	if (!strstr(file, "gone") && !strstr(file, "turn"))
		return;
	check(snprintf(path, sizeof path, "%s/cur/%s", scanned->path, file) < (int)sizeof path);
	(void)unlink(path);
	if (strstr(file, "turn"))
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

static void put_maildir(const struct box *b)
{
	static char large[300 * 1024];
	char name[64], text[128];

	memset(large, 'x', sizeof large - 1);
	for (unsigned i = 0; i < FILES; i++) {
		const char *kind = i % 97 == 96 ? "gone" : i % 89 == 88 ? "turn" : i % 83 == 82 ? "twin" : "host";

		check(snprintf(name, sizeof name, "%s/%u.M%uP1.%s:2,%s", i % 5 ? "cur" : "new", 1767600000 + i / 3,
			       i % 83 == 81 || i % 83 == 82 ? 1 : i, kind, i % 7 ? "S" : "T") > 0);
		check(snprintf(text, sizeof text, "Subject: %u\n%s\n%s", i, i % 11 ? "" : "X-Expire-Timestamp: 5\n",
			       i % 3   ? "text"
			       : i % 2 ? "\n.dots\r\n"
				       : "") > 0);
		if (i % 97 != 96 || i % 5) /* those that change are in cur/ */
			put_file(b, name, i % 13 == 0 ? "" : i % 50 == 49 ? large : text);
	}
}

static struct crowd {
	const char *about;
	void (*box)(struct box *b);
	void (*put)(const struct box *b);
	const char *broken; /* in the path of one that cannot be opened; NULL: none */
} crowds[] = {
	{"Maildir", box_new, put_maildir, NULL},
	{"Maildir, one that cannot be read", box_new, put_maildir, "M350P"},
};

struct result {
	struct scan scan;
	enum err err;
	struct why why;
};

static void scan_by(struct box *b, const struct crowd *c, uint64_t many, struct result *r)
{
	const struct scan none = {0};

	c->put(b);
	crew_set_many(many);
	in_threads = false;
	shim_reset();
	shim.before_open = change;
	shim.before_read = see_thread;
	shim.path = c->broken;
	shim.path_error = EIO;
	r->err = b->md.driver->scan(&b->md, &none, &r->scan, &r->why);
	shim_reset();
	crew_set_many(0);
}

/* Which inode a file has that was made again is no matter. */
static void check_alike(const struct crowd *c, const struct result *a, const struct result *b)
{
	check_row(0, c->about, a->err == b->err && strcmp(a->why.text, b->why.text) == 0);
	check_row(0, a->why.text, (a->err == OK) == (c->broken == NULL));
	check_row(0, c->about, a->scan.count == b->scan.count && a->scan.count > FILES / 3);
	for (uint32_t i = 0; i < a->scan.count && a->err == OK; i++) {
		struct listing_rec x = a->scan.rec[i], y = b->scan.rec[i];
		struct scan_entry e = a->scan.entry[i], f = b->scan.entry[i];

		check_row(i, c->about, memcmp(&x, &y, sizeof x) == 0);
		check_row(i, c->about, slice_eq(scan_name(&a->scan, i), scan_name(&b->scan, i)));
		check_row(i, c->about, e.dir == f.dir && e.name_at == f.name_at && (e.id != 0) == (f.id != 0));
	}
}

static void test_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(crowds); i++) {
		struct result one = {.why = {""}}, several = {.why = {""}};
		struct box b;

		crowds[i].box(&b);
		scanned = &b;
		check_row(i, crowds[i].about, box_open(&b) == OK);
		scan_by(&b, &crowds[i], NEVER, &one);
		check_row(i, "one", !in_threads);
		scan_by(&b, &crowds[i], 1, &several);
		check_row(i, "several", in_threads);
		check_alike(&crowds[i], &one, &several);
		check_alone();
		scan_done(&one.scan);
		scan_done(&several.scan);
		box_free(&b);
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
		cmocka_unit_test(test_order), cmocka_unit_test(test_ends_early), cmocka_unit_test(test_few),
		cmocka_unit_test(test_alike), cmocka_unit_test(test_no_threads),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
