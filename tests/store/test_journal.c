/* tests/store/test_journal.c - journals: a process that dies or fails at every call, a disk that is full, damage and strangers */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cutbox.h"
#include "shim.h"
#include "store/shift.h"

enum { OCTETS = 9000, DONE = 40, FAILED = 41, CUTS = 3 };
static const struct cut cuts[CUTS] = {{100, 700}, {5000, 5001}, {8500, 8700}};
static struct cutbox box;
static char old_text[CUTBOX_MOST], new_text[CUTBOX_MOST];
static size_t new_octets;

static void fill(enum cut_way way)
{
	cut_fill(old_text, OCTETS);
	new_octets = cut_model(old_text, OCTETS, cuts, CUTS, new_text);
	cutbox_new(&box, way, old_text, OCTETS);
}

static bool is_new(void)
{
	cutbox_read(&box);
	return box.octets == new_octets && memcmp(box.text, new_text, new_octets) == 0;
}

static bool is_old(void)
{
	cutbox_read(&box);
	return box.octets == OCTETS && memcmp(box.text, old_text, OCTETS) == 0;
}

/* A cut, or the replay of what is left, in a process of its own. */
static int run_child(bool again, enum shim_what what, unsigned at, int error)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		shim_reset();
		shim.what = what;
		shim.at = at;
		shim.error = error;
		shim.no_sync = true;
		_exit((again ? cutbox_again(&box) : cut_apply(&box.file, cuts, CUTS, &box.why)) == OK ? DONE : FAILED);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static unsigned count_changes(enum cut_way way)
{
	fill(way);
	shim_reset();
	shim.no_sync = true;
	check(cut_apply(&box.file, cuts, CUTS, &box.why) == OK);
	unsigned n = shim.changes;

	shim_reset();
	cutbox_free(&box);
	check(n > 5 && n < 200);
	return n;
}

/* Whatever happened: after a replay that goes well it is old or new, and new where that was said. */
static void check_end(unsigned at, const char *what, int result, bool told)
{
	check_row(at, box.why.text, cutbox_again(&box) == OK);
	bool new = is_new();

	check_row(at, what, new || is_old());
	check_row(at, what, result != DONE || new);
	check_row(at, what, !told || result >= DONE);
}

static void check_all(enum cut_way way, enum shim_what what, int error)
{
	unsigned changes = count_changes(way);

	for (unsigned at = 1; at <= changes; at++) {
		fill(way);
		int result = run_child(false, what, at, error);

		check_end(at, "at once", result, what == SHIM_ERROR || what == SHIM_SHORT);
		cutbox_free(&box);
	}
}

static void test_killed(void **state)
{
	(void)state;
	for (enum cut_way way = 0; way < WAYS; way++) {
		check_all(way, SHIM_KILL, 0);
		check_all(way, SHIM_KILL_BEHIND, 0);
	}
}

static void test_failed(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS};

	(void)state;
	for (enum cut_way way = 0; way < WAYS; way++)
		for (size_t i = 0; i < TABLE_ROWS(errors); i++)
			check_all(way, SHIM_ERROR, errors[i]);
}

/* A write that takes a part is no error. */
static void test_short(void **state)
{
	(void)state;
	for (enum cut_way way = 0; way < WAYS; way++) {
		unsigned changes = count_changes(way);

		for (unsigned at = 1; at <= changes; at++) {
			fill(way);
			check_row(at, "short", run_child(false, SHIM_SHORT, at, 0) == DONE && is_new());
			cutbox_free(&box);
		}
	}
}

/* A replay that dies is replayed. */
static void test_replay_killed(void **state)
{
	unsigned changes = count_changes(WAY_IN_PLACE);

	(void)state;
	for (unsigned at = 1; at <= changes; at += 2)
		for (unsigned then = 1; then <= 12; then++)
			for (enum shim_what what = SHIM_KILL; what <= SHIM_ERROR; what++) {
				fill(WAY_IN_PLACE);
				(void)run_child(false, SHIM_KILL, at, 0);
				int result = run_child(true, what, then, EIO);

				check_end(at, "again", result == DONE && is_new() ? DONE : FAILED, false);
				cutbox_free(&box);
			}
}

/* ---- others append meanwhile ---- */

static unsigned append_at;
static enum shim_op_kind appended_before; /* which change */
static const char appended[] = "From a deliverer that ignores locks\n";

static void on_before(void)
{
	if (shim.changes == append_at)
		cutbox_append(box.path, appended);
}

static void on_made(const struct shim_op *op)
{
	if (shim.changes == append_at)
		appended_before = op->kind;
}

/* Before any change: it stays. The one exception is what comes between the last look at the size and the truncation. */
static void test_appended(void **state)
{
	(void)state;
	for (enum cut_way way = 0; way < WAYS; way++) {
		unsigned changes = count_changes(way), lost = 0;

		for (append_at = 1; append_at <= changes; append_at++) {
			fill(way);
			shim_reset();
			shim.no_sync = true;
			shim.before = on_before;
			shim.made = on_made;
			appended_before = OP_WRITE;
			enum err err = cut_apply(&box.file, cuts, CUTS, &box.why);

			shim_reset();
			check_row(append_at, box.why.text, err == OK);
			cutbox_read(&box);
			check_row(append_at, "cut", memcmp(box.text, new_text, new_octets) == 0);
			if (appended_before == OP_TRUNCATE)
				lost++;
			else
				check_row(append_at, "appended",
					  box.octets == new_octets + strlen(appended) &&
						  memcmp(box.text + new_octets, appended, strlen(appended)) == 0);
			cutbox_free(&box);
		}
		check_row(way, "exceptions", lost == (way == WAY_IN_PLACE ? 1 : 0));
	}
}

/* ---- a full disk ---- */

static void spare_make(size_t octets)
{
	int fd = openat(box.journals, "spare", O_WRONLY | O_CREAT | O_EXCL, 0600);

	check(fd >= 0 && ftruncate(fd, (off_t)octets) == 0 && close(fd) == 0);
}

static void test_spare(void **state)
{
	static const struct {
		const char *what;
		size_t octets;
		bool done;
	} spares[] = {{"none", 0, false}, {"too small", 16384, false}, {"enough", 65536, true}};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(spares); i++) {
		struct stat st;

		fill(WAY_IN_PLACE);
		if (spares[i].octets > 0)
			spare_make(spares[i].octets);
		/* The first write of the journal finds no room. */
		int result = run_child(false, SHIM_ERROR, 2, ENOSPC);

		check_row(i, spares[i].what, result == (spares[i].done ? DONE : FAILED));
		check_row(i, spares[i].what, spares[i].done ? is_new() : is_old());
		check_row(i, spares[i].what, cutbox_journals(&box) == 0);
		check_row(i, spares[i].what, spares[i].octets == 0 || fstatat(box.journals, "spare", &st, 0) == 0);
		cutbox_free(&box);
	}
}

/* ---- damage ---- */

/* Dies in the middle; the name of its journal. */
static void leave_journal(char name[JOURNAL_NAME])
{
	struct stat st;
	unsigned changes = count_changes(WAY_IN_PLACE);

	fill(WAY_IN_PLACE);
	check(run_child(false, SHIM_KILL, changes - 5, 0) == 99 && !is_old() && !is_new());
	check(fstat(box.fd, &st) == 0);
	journal_name(st.st_ino, name);
	check(journal_is_left(&box.journal, st.st_ino));
}

/* Any octet may be another one: never applied wrongly, never a crash; and head, cuts and both records at once are noticed. */
static void test_damage(void **state)
{
	char name[JOURNAL_NAME];
	struct stat st;
	static const off_t where[] = {0, 8, 16, 24, 32, 40, 44, 52, 60, 4159, 8192, 8200, 8239};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(where); i++) {
		char octet;

		leave_journal(name);
		int fd = openat(box.journals, name, O_RDWR);

		check(fd >= 0 && pread(fd, &octet, 1, where[i]) == 1);
		octet ^= 0x55;
		check(pwrite(fd, &octet, 1, where[i]) == 1 && close(fd) == 0);
		cutbox_read(&box);
		size_t octets = box.octets;

		check_row(i, box.why.text, cutbox_again(&box) == ERR_PERM);
		cutbox_read(&box);
		check_row(i, "nothing was changed", box.octets == octets);
		check_row(i, "it is still there", fstatat(box.journals, name, &st, 0) == 0);
		cutbox_free(&box);
	}
}

/* Cut off anywhere, and things that are no files. */
static void test_no_journal(void **state)
{
	static const off_t sizes[] = {0, 1, 100, 4160, 8192, 8240, 12288, 12300};
	char name[JOURNAL_NAME];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(sizes); i++) {
		leave_journal(name);
		int fd = openat(box.journals, name, O_RDWR);

		check(fd >= 0 && ftruncate(fd, sizes[i]) == 0 && close(fd) == 0);
		check_row(i, "cut off", cutbox_again(&box) == ERR_PERM);
		cutbox_free(&box);
	}
	for (int kind = 0; kind < 3; kind++) {
		leave_journal(name);
		check(unlinkat(box.journals, name, 0) == 0);
		check((kind == 0   ? mkdirat(box.journals, name, 0700)
		       : kind == 1 ? symlinkat("spare", box.journals, name)
				   : mkfifoat(box.journals, name, 0600)) == 0);
		check_row(kind, "no file", cutbox_again(&box) == ERR_PERM);
		cutbox_free(&box);
	}
}

/* Another program has been at the mailbox since. */
static void test_another_file(void **state)
{
	static const char other[] = "From another program\n\nwhat it has written\n";
	char name[JOURNAL_NAME], aside[JOURNAL_NAME];

	(void)state;
	for (int longer = 0; longer < 2; longer++) {
		leave_journal(name);
		check(ftruncate(box.fd, 0) == 0);
		for (int i = 0; i < (longer ? 500 : 1); i++)
			cutbox_append(box.path, other);
		check_row(longer, box.why.text, cutbox_again(&box) == ERR_PERM);
		cutbox_read(&box);
		check_row(longer, "untouched", box.octets == (longer ? 500 : 1) * strlen(other));
		check(journal_set_aside(box.journals, name, aside, &box.why) == OK && !journal_is_name(aside));
		check(cutbox_again(&box) == OK && cutbox_journals(&box) == 1);
		cutbox_free(&box);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),       cmocka_unit_test(test_failed),
		cmocka_unit_test(test_short),        cmocka_unit_test(test_replay_killed),
		cmocka_unit_test(test_appended),     cmocka_unit_test(test_spare),
		cmocka_unit_test(test_damage),       cmocka_unit_test(test_no_journal),
		cmocka_unit_test(test_another_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
