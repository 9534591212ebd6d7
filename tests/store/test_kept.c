/* tests/store/test_kept.c - maildrops that are kept for the next opening: what that costs then, what is noticed, and that nothing is kept for ever */
#include <dirent.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/journal.h"
#include "store/kept.h"

static const char text[] = "A: b\n\nc\n";
static const char mbox_text[] = "From a Mon Jan  5 10:00:00 2026\nA: b\n\nc\n\n";

static const char *path_in(const char *dir, const char *name)
{
	static char path[2][256];
	static unsigned turn;

	turn = !turn;
	check(snprintf(path[turn], sizeof path[0], "%s/%s", dir, name) < (int)sizeof path[0]);
	return path[turn];
}

static void put_one(const struct box *b, unsigned i)
{
	char name[32];

	check(snprintf(name, sizeof name, "new/%u.M1P1.host", i) > 0);
	box_put(b, name, text);
}

static void put_one_mh(const struct box *b, unsigned i)
{
	(void)i;
	box_mh_deliver(b, text);
}

static void put_one_mbox(const struct box *b, unsigned i)
{
	(void)i;
	box_append(b, mbox_text);
}

enum { MAILDIR, MBOX, MH, DOTMAIL, FORMATS, ANY = FORMATS };

static void put_one_dotmail(const struct box *b, unsigned i)
{
	(void)i;
	box_append(b, "A: b\n\nc\n.\n");
}

static const struct format {
	const char *name;
	void (*new)(struct box *b);
	void (*put)(const struct box *b, unsigned i);
	const char *index; /* from its directory */
	unsigned calls;
} formats[] = {
	[MAILDIR] = {"maildir", box_new, put_one, "Maildir/.pop3-index", 4}, /* the path, new/, cur/, the index */
	[MBOX] = {"mbox", box_new_mbox, put_one_mbox, ".mbox.pop3idx",
		  4}, /* the path, the file, the index, mbox.lock */
	[MH] = {"mh", box_new_mh, put_one_mh, "Maildir/.pop3-index/listing",
		3}, /* the path, the directory, the index */
	[DOTMAIL] = {"dotmail", box_new_dotmail, put_one_dotmail, ".mbox.pop3idx", 4},
};

/* Of three messages, open once by its index, and closed: so it is kept. */
static void begin(struct box *b, const struct format *f)
{
	shim_reset();
	shim.later_s = 10;
	f->new (b);
	for (unsigned i = 1; i <= 3; i++)
		f->put(b, i);
	check_row(0, f->name, box_open(b) == OK && !b->md.keepable);
	check_row(0, f->name, box_open(b) == OK && b->md.keepable && !b->md.warm);
	box_close(b);
	check_row(0, f->name, kept_count() == 1);
}

static void end(struct box *b)
{
	shim_reset();
	box_free(b);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	check(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Again and again: a login that changes nothing leaves all as it was. */
static void test_costs_a_look(void **state)
{
	(void)state;
	for (size_t k = 0; k < FORMATS; k++) {
		struct box b;

		begin(&b, &formats[k]);
		for (int i = 0; i < 3; i++) {
			unsigned before = descriptors(), calls = shim.calls;

			memset(&b.first, 0, sizeof b.first);
			check_row(k, formats[k].name, box_open(&b) == OK && b.md.warm && b.md.index.count == 3);
			check_row(k, formats[k].name, shim.calls - calls == formats[k].calls);
			check_row(k, formats[k].name, descriptors() == before && b.first.rec[2].octets == 11);
			check_row(k, formats[k].name, strstr(box_text(&b, 2), "A: b\n") != NULL);
			box_close(&b);
		}
		end(&b);
	}
}

/* More than are remembered, and more than are read at once. */
static void test_records_of_any_number(void **state)
{
	static const unsigned counts[] = {1, 64, 65, INDEX_INLINE, INDEX_INLINE + 1};

	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(counts); k++) {
		struct box b;

		shim_reset();
		shim.later_s = 10;
		box_new_mbox(&b);
		for (unsigned i = 0; i < counts[k]; i++)
			box_append(&b, mbox_text);
		for (int i = 0; i < 3; i++) {
			memset(&b.first, 0, sizeof b.first);
			check_row(k, "", box_open(&b) == OK && b.md.index.count == counts[k]);
		}
		check_row(k, "", b.md.warm);
		check_row(k, "", counts[k] > INDEX_INLINE || b.first.rec[counts[k] - 1].octets == 11);
		end(&b);
	}
}

/* ---- what others do ---- */

static void move_dir(const char *from, const char *to)
{
	check(rename(from, to) == 0);
}

static void replace_all(const struct box *b)
{
	struct stat st;

	check(stat(b->path, &st) == 0);
	move_dir(b->path, path_in(b->top, "old"));
	if (S_ISREG(st.st_mode)) {
		box_write(b, mbox_text);
		return;
	}
	check(mkdir(b->path, 0700) == 0 && mkdir(path_in(b->path, "tmp"), 0700) == 0 &&
	      mkdir(path_in(b->path, "new"), 0700) == 0 && mkdir(path_in(b->path, "cur"), 0700) == 0);
	put_one(b, 9);
}

static void replace_new(const struct box *b)
{
	move_dir(path_in(b->path, "new"), path_in(b->path, "old"));
	check(mkdir(path_in(b->path, "new"), 0700) == 0);
	put_one(b, 9);
}

/* What it was a directory or a file for is a link to another one now. */
static void replace_by_link(const struct box *b)
{
	replace_all(b);
	move_dir(b->path, path_in(b->top, "other"));
	check(symlink("other", b->path) == 0);
}

/* The same inode, size and mtime. */
static void write_in_place(const struct box *b)
{
	struct stat st;
	int fd = open(b->path, O_WRONLY | O_CLOEXEC);

	check(fd >= 0 && fstat(fd, &st) == 0);
	check(pwrite(fd, "X", 1, st.st_size - 3) == 1);
	check(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}) == 0 && close(fd) == 0);
}

/* Another inode, with the same size and mtime. */
static void write_beside(const struct box *b)
{
	struct stat st;
	const char *beside = path_in(b->top, "beside");
	int fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const char *all = box_mbox(b);

	check(fd >= 0 && stat(b->path, &st) == 0);
	check(write(fd, all, strlen(all)) == (ssize_t)strlen(all));
	check(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}) == 0 && close(fd) == 0);
	move_dir(beside, b->path);
}

static void deliver(const struct box *b)
{
	put_one(b, 9);
}

static void deliver_mbox(const struct box *b)
{
	box_append(b, mbox_text);
}

static void deliver_mh(const struct box *b)
{
	box_mh_deliver(b, text);
}

static void take_one(const struct box *b)
{
	box_remove(b, "new/3.M1P1.host");
}

static void take_one_mh(const struct box *b)
{
	box_remove(b, "3");
}

static void rename_one(const struct box *b)
{
	box_rename(b, "new/3.M1P1.host", "cur/3.M1P1.host:2,S");
}

static void second_name(const struct box *b)
{
	check(link(b->path, path_in(b->top, "second")) == 0);
}

static void leave_journal(const struct box *b)
{
	char name[JOURNAL_NAME];
	struct stat st;

	check(stat(b->path, &st) == 0);
	journal_name(st.st_ino, name);
	int fd = openat(b->setup.journal_dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	check(fd >= 0 && close(fd) == 0);
}

static const char *index_of(const struct box *b)
{
	for (size_t k = 0; k < FORMATS; k++)
		if (strcmp(b->md.driver->name, formats[k].name) == 0)
			return path_in(b->top, formats[k].index);
	return NULL;
}

static void remove_index(const struct box *b)
{
	check(unlink(index_of(b)) == 0);
}

/* Where our own user is hostile: another head, and the old mtime. */
static void damage_index(const struct box *b)
{
	struct stat st;
	int fd = open(index_of(b), O_WRONLY | O_CLOEXEC);

	check(fd >= 0 && fstat(fd, &st) == 0);
	check(pwrite(fd, "\xFF\xFF\xFF\xFF", 4, offsetof(struct index_head, count)) == 4);
	check(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}) == 0 && close(fd) == 0);
}

static void copy_index(const struct box *b)
{
	static char all[256 * 1024];
	const char *path = index_of(b), *beside = path_in(b->top, "beside");
	int from = open(path, O_RDONLY | O_CLOEXEC), to = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = read(from, all, sizeof all);

	check(n > 0 && write(to, all, (size_t)n) == n && close(from) == 0 && close(to) == 0);
	check(rename(beside, path) == 0);
}

static void touch_index(const struct box *b)
{
	check(chmod(index_of(b), 0640) == 0);
}

static void nothing(const struct box *b)
{
	(void)b;
}

static const struct {
	const char *name;
	int format; /* ANY: each */
	void (*happens)(const struct box *b);
	unsigned count; /* of messages then */
	bool warm;
} changes[] = {
	{"nothing", ANY, nothing, 3, true},
	{"another Maildir", MAILDIR, replace_all, 1, false},
	{"another file", MBOX, replace_all, 1, false},
	{"a link to another Maildir", MAILDIR, replace_by_link, 1, false},
	{"a link to another file", MBOX, replace_by_link, 1, false},
	{"another new/", MAILDIR, replace_new, 1, false},
	{"an octet, and the same size and mtime", MBOX, write_in_place, 3, false},
	{"the same octets in another file", MBOX, write_beside, 3, false},
	{"mail", MAILDIR, deliver, 4, false},
	{"mail", MBOX, deliver_mbox, 4, false},
	{"mail", MH, deliver_mh, 4, false},
	{"a message goes", MAILDIR, take_one, 2, false},
	{"a message goes", MH, take_one_mh, 2, false},
	{"a message is renamed", MAILDIR, rename_one, 3, false},
	{"a second name", MBOX, second_name, 3, false},
	{"a journal", MBOX, leave_journal, 3, false},
	{"no index", ANY, remove_index, 3, false},
	{"a damaged index", ANY, damage_index, 3, false},
	{"another index", ANY, copy_index, 3, false},
	{"an index with other permissions", ANY, touch_index, 3, false},
};

/* And then it is kept again, as it is now, if it comes to rest. */
static void check_change(size_t i, int k)
{
	struct box b;

	begin(&b, &formats[k]);
	changes[i].happens(&b);
	check_row(i, changes[i].name, box_open(&b) == OK);
	check_row(i, changes[i].name, b.md.index.count == changes[i].count && b.md.warm == changes[i].warm);
	for (uint32_t m = 0; m < b.md.index.count; m++)
		check_row(i, changes[i].name, strstr(box_text(&b, m), "A: b\n") != NULL);
	check_row(i, changes[i].name, box_open(&b) == OK && b.md.index.count == changes[i].count);
	end(&b);
}

static void test_changes_are_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(changes); i++)
		for (int k = 0; k < FORMATS; k++)
			if (changes[i].format == k || changes[i].format == ANY)
				check_change(i, k);
}

/* Between the look for the maildrop and the session lock another session has deleted. */
static void test_change_behind_find(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	begin(&b, &formats[MBOX]);
	struct maildrop second = MAILDROP_CLOSED;

	check(maildrop_find(&second, slice_str(b.path), &b.setup, &b.why) == OK && second.warm);
	check(box_open(&b) == OK && box_commit(&b, "d--", &out) == OK && out.deleted == 1);
	box_close(&b);
	check(maildrop_open(&second, &b.first, &b.why) == OK && !second.warm && second.index.count == 2);
	maildrop_close(&second);
	end(&b);
}

/* Another directory has taken its place: the session that was promised the old one has that. */
static void test_place_taken_behind_find(void **state)
{
	struct box b;

	(void)state;
	begin(&b, &formats[MAILDIR]);
	check(maildrop_find(&b.md, slice_str(b.path), &b.setup, &b.why) == OK && b.md.warm);
	deliver(&b);
	replace_all(&b);
	check(maildrop_open(&b.md, &b.first, &b.why) == OK && !b.md.warm && b.md.index.count == 4);
	check(box_open(&b) == OK && b.md.index.count == 1);
	end(&b);
}

/* It is refused, and comes again. */
static void test_lock_of_a_process(void **state)
{
	struct box b;

	(void)state;
	begin(&b, &formats[MBOX]);
	FILE *f = fopen(path_in(b.top, "mbox.lock"), "w");

	check(f && fputs("1\n", f) >= 0 && fclose(f) == 0);
	check(box_open(&b) == ERR_IN_USE && kept_count() == 1);
	check(unlink(path_in(b.top, "mbox.lock")) == 0);
	check(box_open(&b) == OK && b.md.warm);
	end(&b);
}

/* Which of its names a link leads to, its times do not show. */
static void test_file_of_two_names(void **state)
{
	struct box b;

	(void)state;
	begin(&b, &formats[MBOX]);
	second_name(&b);
	for (int i = 0; i < 4; i++)
		check(box_open(&b) == OK && !b.md.warm && b.md.index.count == 3);
	end(&b);
}

/* An index that was written just now could be written once more with the same times. */
static void test_young_index_is_not_kept(void **state)
{
	struct box b;

	(void)state;
	begin(&b, &formats[MAILDIR]);
	kept_sweep(0);
	touch_index(&b);
	shim.later_s = 0;
	check(box_open(&b) == OK && !b.md.keepable);
	box_close(&b);
	check(kept_count() == 0);
	end(&b);
}

/* What has deleted is not kept: its file is another one, and its index. */
static void test_deletions(void **state)
{
	(void)state;
	for (size_t k = 0; k < FORMATS; k++) {
		struct outcome out;
		struct box b;

		begin(&b, &formats[k]);
		check_row(k, formats[k].name, box_open(&b) == OK && b.md.warm);
		check_row(k, formats[k].name, box_commit(&b, "-d-", &out) == OK && out.deleted == 1);
		box_close(&b);
		check_row(k, formats[k].name, kept_count() == 0);
		check_row(k, formats[k].name, box_open(&b) == OK && b.md.index.count == 2);
		end(&b);
	}
}

/* ---- how many, and how long ---- */

static void test_idle_ones_go(void **state)
{
	struct box b;

	(void)state;
	unsigned before = descriptors();

	begin(&b, &formats[MBOX]);
	unsigned with = descriptors();

	kept_sweep(KEPT_IDLE_MS);
	check(kept_count() == 1 && descriptors() == with);
	kept_sweep(0);
	check(kept_count() == 0 && descriptors() == with - 3 && before < with);
	check(box_open(&b) == OK && b.md.index.count == 3);
	end(&b);
	check(descriptors() == before);
}

/* So many owners' maildrops in one process, each with its descriptors: those that were used longest ago go. */
static void test_bounded(void **state)
{
	enum { MANY = KEPT_SETS * KEPT_WAYS + 100 };
	static struct maildrop_setup setup;
	struct box b;

	(void)state;
	begin(&b, &formats[MAILDIR]);
	setup = b.setup;
	unsigned before = descriptors();

	for (unsigned i = 0; i < MANY; i++) {
		struct maildrop md;
		char name[128];

		check(snprintf(name, sizeof name, "maildir:%s/%u", b.top, i) < (int)sizeof name);
		for (int k = 0; k < 3; k++) {
			check(maildrop_find(&md, slice_str(name), &setup, &b.why) == OK);
			check(maildrop_open(&md, &b.first, &b.why) == OK);
			maildrop_close(&md);
		}
		check(kept_count() <= KEPT_SETS * KEPT_WAYS);
	}
	check(kept_count() > KEPT_SETS * KEPT_WAYS / 2 && descriptors() <= before + 2 * kept_count());
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs_a_look),
		cmocka_unit_test(test_records_of_any_number),
		cmocka_unit_test(test_changes_are_noticed),
		cmocka_unit_test(test_change_behind_find),
		cmocka_unit_test(test_place_taken_behind_find),
		cmocka_unit_test(test_lock_of_a_process),
		cmocka_unit_test(test_file_of_two_names),
		cmocka_unit_test(test_young_index_is_not_kept),
		cmocka_unit_test(test_deletions),
		cmocka_unit_test(test_idle_ones_go),
		cmocka_unit_test(test_bounded),
	};

	kept_begin(ev_default_loop(EVFLAG_AUTO));
	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
