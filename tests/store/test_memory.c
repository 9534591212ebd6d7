/* tests/store/test_memory.c - how much memory large maildrops take, whatever is done to them: what may grow with the number of messages is on disk */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/sanitized.h"
#include "box.h"
#include "check.h"

enum {
	MOST_KIB =
		12 * 1024, /* more than before: a store process that has seen no large maildrop has less than 4 MiB */
	MESSAGES = 300000,
	FILES = 100000,
	FEWER = 50000, /* what another row shows of more */
};

/* A maildrop of so many messages. `alike`: so many have the same contents, or files of them one name but for what comes and goes. */
struct large {
	const char *about;
	void (*box)(struct box *b);
	void (*put)(FILE *f, uint32_t i);
	void (*name)(char name[64], uint32_t i); /* NULL: all in one file */
	uint32_t count, alike;
};

static void put_mbox(FILE *f, uint32_t i)
{
	check(fprintf(f, "From a@example.org Mon Jan  5 10:00:00 2026\nSubject: %u\n\n%u\n\n", i, i) > 0);
}

static void put_dotmail(FILE *f, uint32_t i)
{
	check(fprintf(f, "Subject: %u\n\n%u\n.\n", i, i) > 0);
}

static void put_file(FILE *f, uint32_t i)
{
	check(fprintf(f, "Subject: %u\n\n", i) > 0);
}

static void name_maildir(char name[64], uint32_t i)
{
	check(snprintf(name, 64, "cur/%u.M%uP4711.a-host.example.org:2,S", 1767600000 + i / 3, i * 7919 % 1000000) <
	      64);
}

static void name_mh(char name[64], uint32_t i)
{
	check(snprintf(name, 64, "%u", i + 1) < 64);
}

static const struct large larges[] = {
	{"mbox", box_new_mbox, put_mbox, NULL, MESSAGES, 1},
	{"mbox, each message twice", box_new_mbox, put_mbox, NULL, FILES, 2},
	{"dotmail", box_new_dotmail, put_dotmail, NULL, FEWER, 1},
	{"Maildir", box_new, put_file, name_maildir, FILES, 1},
	{"MH, each message twice", box_new_mh, put_file, name_mh, FEWER, 2},
};

static void fill(const struct box *b, const struct large *l)
{
	FILE *f = l->name ? NULL : fopen(b->path, "w");

	for (uint32_t i = 0; i < l->count; i++) {
		char path[192], name[64];

		if (l->name) {
			l->name(name, i);
			check(snprintf(path, sizeof path, "%s/%s", b->path, name) < (int)sizeof path);
			f = fopen(path, "w");
		}
		check_row(i, l->about, f != NULL);
		l->put(f, i / l->alike);
		if (l->name)
			check_row(i, l->about, fclose(f) == 0);
	}
	if (!l->name)
		check(fclose(f) == 0);
}

static long most_kib(void)
{
	struct rusage used;

	check(getrusage(RUSAGE_SELF, &used) == 0);
	return used.ru_maxrss;
}

static void check_kib(const struct large *l, long before, const char *what)
{
	long kib = most_kib() - before;

	if (kib >= MOST_KIB)
		print_error("%s, %s: %ld KiB\n", l->about, what, kib);
	check_row(0, what, kib < MOST_KIB);
}

static void delete_half(struct box *b, const struct large *l)
{
	uint8_t *set = calloc(l->count / 8 + 1, 1);
	struct outcome out;

	check(set != NULL);
	memset(set, 0x55, l->count / 8);
	enum err err = maildrop_commit(&b->md, &(struct changes){.deleted = set, .count = l->count}, &out, &b->why);

	check_row(0, b->why.text, err == OK && out.deleted == l->count / 2 && out.failed == 0);
	free(set);
}

/* Without an index; again, with all of it read anew, since nothing is believed of the file; a commit; and what that has left. */
static void use(struct box *b, const struct large *l)
{
	struct stat st;
	long before = most_kib();

	check_row(0, b->why.text, box_open(b) == OK && b->md.index.count == l->count);
	check_kib(l, before, "without an index");
	check(stat(b->path, &st) == 0 && utimensat(AT_FDCWD, b->path, NULL, 0) == 0);
	check_row(0, b->why.text, box_open(b) == OK && b->md.index.count == l->count);
	check_kib(l, before, "with another time");
	delete_half(b, l);
	check_kib(l, before, "when half of it was deleted");
	check_row(0, b->why.text, box_open(b) == OK && b->md.index.count == l->count / 2);
	check_kib(l, before, "what is left");
}

static void test_large(const struct large *l)
{
	struct box b;
	int status;

	l->box(&b);
	fill(&b, l);
	room_set_dir(b.setup.uidl_dir);
	pid_t pid = fork();

	if (pid == 0) {
		use(&b, l);
		_exit(0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid);
	check_row(0, l->about, WIFEXITED(status) && WEXITSTATUS(status) == 0);
	room_set_dir(-1);
	box_free(&b);
}

static void test_memory(void **state)
{
	(void)state;
#ifdef SANITIZED
	print_message("test_memory: a sanitizer has memory of its own\n");
	skip();
#endif
	for (size_t i = 0; i < TABLE_ROWS(larges); i++)
		test_large(&larges[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

	box_in_memory();
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* as store does it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
