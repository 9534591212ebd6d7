/* tests/store/test_kept_changes.c - what others do to a maildrop that is kept is noticed by the next opening */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "keptbox.h"
#include "shim.h"
#include "store/journal.h"
#include "store/kept.h"

enum { ANY = KEPT_FORMATS };

static void move_dir(const char *from, const char *to)
{
	check(rename(from, to) == 0);
}

static void replace_all(const struct box *b)
{
	struct stat st;

	check(stat(b->path, &st) == 0);
	move_dir(b->path, keptbox_path(b->top, "old"));
	if (S_ISREG(st.st_mode)) {
		box_write(b, "");
		kept_formats[KEPT_MBOX].put(b, 9);
		return;
	}
	check(mkdir(b->path, 0700) == 0 && mkdir(keptbox_path(b->path, "tmp"), 0700) == 0 &&
	      mkdir(keptbox_path(b->path, "new"), 0700) == 0 && mkdir(keptbox_path(b->path, "cur"), 0700) == 0);
	kept_formats[KEPT_MAILDIR].put(b, 9);
}

static void replace_new(const struct box *b)
{
	move_dir(keptbox_path(b->path, "new"), keptbox_path(b->path, "old"));
	check(mkdir(keptbox_path(b->path, "new"), 0700) == 0);
	kept_formats[KEPT_MAILDIR].put(b, 9);
}

/* What it was a directory or a file for is a link to another one now. */
static void replace_by_link(const struct box *b)
{
	replace_all(b);
	move_dir(b->path, keptbox_path(b->top, "other"));
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
	const char *beside = keptbox_path(b->top, "beside");
	int fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const char *all = box_mbox(b);

	check(fd >= 0 && stat(b->path, &st) == 0);
	check(write(fd, all, strlen(all)) == (ssize_t)strlen(all));
	check(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}) == 0 && close(fd) == 0);
	move_dir(beside, b->path);
}

static void deliver(const struct box *b)
{
	kept_formats[KEPT_MAILDIR].put(b, 9);
}

static void deliver_mbox(const struct box *b)
{
	kept_formats[KEPT_MBOX].put(b, 9);
}

static void deliver_mh(const struct box *b)
{
	box_mh_deliver(b, KEPT_TEXT);
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
	check(link(b->path, keptbox_path(b->top, "second")) == 0);
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
	for (size_t k = 0; k < KEPT_FORMATS; k++)
		if (strcmp(b->md.driver->name, kept_formats[k].name) == 0)
			return keptbox_path(b->top, kept_formats[k].index);
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
	const char *path = index_of(b), *beside = keptbox_path(b->top, "beside");
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
	{"another Maildir", KEPT_MAILDIR, replace_all, 1, false},
	{"another file", KEPT_MBOX, replace_all, 1, false},
	{"a link to another Maildir", KEPT_MAILDIR, replace_by_link, 1, false},
	{"a link to another file", KEPT_MBOX, replace_by_link, 1, false},
	{"another new/", KEPT_MAILDIR, replace_new, 1, false},
	{"an octet, and the same size and mtime", KEPT_MBOX, write_in_place, 3, false},
	{"the same octets in another file", KEPT_MBOX, write_beside, 3, false},
	{"mail", KEPT_MAILDIR, deliver, 4, false},
	{"mail", KEPT_MBOX, deliver_mbox, 4, false},
	{"mail", KEPT_MH, deliver_mh, 4, false},
	{"a message goes", KEPT_MAILDIR, take_one, 2, false},
	{"a message goes", KEPT_MH, take_one_mh, 2, false},
	{"a message is renamed", KEPT_MAILDIR, rename_one, 3, false},
	{"a second name", KEPT_MBOX, second_name, 3, false},
	{"a journal", KEPT_MBOX, leave_journal, 3, false},
	{"no index", ANY, remove_index, 3, false},
	{"a damaged index", ANY, damage_index, 3, false},
	{"another index", ANY, copy_index, 3, false},
	{"an index with other permissions", ANY, touch_index, 3, false},
};

/* And then it is kept again, as it is now, if it comes to rest. */
static void check_change(size_t i, int k)
{
	struct box b;

	keptbox_begin(&b, &kept_formats[k]);
	changes[i].happens(&b);
	check_row(i, changes[i].name, box_open(&b) == OK);
	check_row(i, changes[i].name, b.md.index.count == changes[i].count && b.md.warm == changes[i].warm);
	for (uint32_t m = 0; m < b.md.index.count; m++)
		check_row(i, changes[i].name, strstr(box_text(&b, m), "A: b\n") != NULL);
	check_row(i, changes[i].name, box_open(&b) == OK && b.md.index.count == changes[i].count);
	keptbox_end(&b);
}

static void test_changes_are_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(changes); i++)
		for (int k = 0; k < KEPT_FORMATS; k++)
			if (changes[i].format == k || changes[i].format == ANY)
				check_change(i, k);
}

/* Between the look for the maildrop and the session lock another session has deleted. */
static void test_change_behind_find(void **state)
{
	struct outcome out;
	struct box b;

	(void)state;
	keptbox_begin(&b, &kept_formats[KEPT_MBOX]);
	struct maildrop second = MAILDROP_CLOSED;

	check(maildrop_find(&second, slice_str(b.path), &b.setup, &b.why) == OK && second.warm);
	check(box_open(&b) == OK && box_commit(&b, "d--", &out) == OK && out.deleted == 1);
	box_close(&b);
	check(maildrop_open(&second, &b.first, &b.why) == OK && !second.warm && second.index.count == 2);
	maildrop_close(&second);
	keptbox_end(&b);
}

/* Another directory has taken its place: the session that was promised the old one has that. */
static void test_place_taken_behind_find(void **state)
{
	struct box b;

	(void)state;
	keptbox_begin(&b, &kept_formats[KEPT_MAILDIR]);
	check(maildrop_find(&b.md, slice_str(b.path), &b.setup, &b.why) == OK && b.md.warm);
	deliver(&b);
	replace_all(&b);
	check(maildrop_open(&b.md, &b.first, &b.why) == OK && !b.md.warm && b.md.index.count == 4);
	check(box_open(&b) == OK && b.md.index.count == 1);
	keptbox_end(&b);
}

/* It is refused, and comes again. */
static void test_lock_of_a_process(void **state)
{
	struct box b;

	(void)state;
	keptbox_begin(&b, &kept_formats[KEPT_MBOX]);
	FILE *f = fopen(keptbox_path(b.top, "mbox.lock"), "w");

	check(f && fputs("1\n", f) >= 0 && fclose(f) == 0);
	check(box_open(&b) == ERR_IN_USE && kept_count() == 1);
	check(unlink(keptbox_path(b.top, "mbox.lock")) == 0);
	check(box_open(&b) == OK && b.md.warm);
	keptbox_end(&b);
}

/* Which of its names a link leads to, its times do not show. */
static void test_file_of_two_names(void **state)
{
	struct box b;

	(void)state;
	keptbox_begin(&b, &kept_formats[KEPT_MBOX]);
	second_name(&b);
	for (int i = 0; i < 4; i++)
		check(box_open(&b) == OK && !b.md.warm && b.md.index.count == 3);
	keptbox_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_are_noticed),     cmocka_unit_test(test_change_behind_find),
		cmocka_unit_test(test_place_taken_behind_find), cmocka_unit_test(test_lock_of_a_process),
		cmocka_unit_test(test_file_of_two_names),
	};

	keptbox_keep();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
