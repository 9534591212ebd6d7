/* tests/store/test_index.c - the kept scan listing: when it is used, and what damage does to it */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/index.h"

/* ---- when it is used: what a session reads and writes ---- */

enum { NAME = 32 };

static void put_messages(const struct box *b, unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++) {
		char name[NAME], text[NAME];

		check(snprintf(name, sizeof name, "new/%u.M1P1.host", 1000000 + i) < NAME);
		check(snprintf(text, sizeof text, "A: %u\n\nb\n", i) < NAME);
		box_put(b, name, text);
	}
}

static void test_trusted_after_two_seconds(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	put_messages(&b, 0, 3);
	check(box_open(&b) == OK); /* at once: a change may have been missed */
	shim_reset();
	check(box_open(&b) == OK);
	check(shim.reads == 0 && shim.changes > 0); /* directories were read again, messages were not */
	shim_reset();
	shim.later_s = 10;
	check(box_open(&b) == OK);
	check(shim.reads == 0 && shim.changes > 0); /* now it was taken late enough */
	shim_reset();
	check(box_open(&b) == OK);
	check(shim.reads == 0 && shim.changes == 0 && b.md.index.count == 3);
	put_messages(&b, 3, 1);
	shim_reset();
	check(box_open(&b) == OK);
	check(shim.reads == 1 && b.md.index.count == 4);
	shim_reset();
	box_free(&b);
}

/* A file without a lock's delay: an mbox of so many messages. */
static void put_mbox(const struct box *b, unsigned from, unsigned count)
{
	FILE *f = fopen(b->path, "a");

	check(f != NULL);
	for (unsigned i = from; i < from + count; i++)
		check(fprintf(f, "From a Mon Jan  5 10:00:00 2026\nA: %u\n\nb\n\n", i) > 0);
	check(fclose(f) == 0);
}

static const struct {
	const char *name;
	void (*new)(struct box *b);
	void (*put)(const struct box *b, unsigned from, unsigned count);
	unsigned calls;
} warm[] = {
	/* open and fstat the maildrop, 3 x stat to see that it is a Maildir, 2 for its stamps, open, fstat and pread the index */
	{"maildir", box_new, put_messages, 10},
	{"mbox", box_new_mbox, put_mbox, 0},
};

/* A warm login costs the same whatever the maildrop holds: in calls, and in octets but for what is read with the head. POP3D_LONG=1: up to a
 * million messages. */
static void test_warm_open_is_constant(void **state)
{
	static const unsigned sizes[] = {10, 1000, 10000, 100000, 1000000};
	enum { SIZES = TABLE_ROWS(sizes), SHORT = 3 };

	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(warm); k++) {
		unsigned calls[SIZES];

		for (size_t i = 0; i < (getenv("POP3D_LONG") ? SIZES : SHORT); i++) {
			struct box b;

			shim_reset();
			shim.later_s = 10;
			warm[k].new(&b);
			warm[k].put(&b, 0, sizes[i]);
			check_row(i, warm[k].name, box_open(&b) == OK);
			box_close(&b);
			shim_reset();
			check_row(i, warm[k].name, box_open(&b) == OK);
			calls[i] = shim.calls;
			check_row(i, warm[k].name,
				  b.md.index.count == sizes[i] && shim.changes == 0 && shim.reads == 0);
			check_row(i, warm[k].name, shim.octets <= sizeof(struct index_first) + 4 * 1024);
			check_row(i, warm[k].name,
				  calls[i] == calls[0] && (warm[k].calls == 0 || calls[i] == warm[k].calls));
			shim_reset();
			box_free(&b);
		}
	}
}

/* Octets of it go bad while it is trusted: a session may be told so, and the next one has all mail again. */
static void test_damage_is_healed(void **state)
{
	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(warm); k++) {
		struct box b;
		char path[128];

		shim_reset();
		shim.later_s = 10;
		warm[k].new(&b);
		warm[k].put(&b, 0, 3000);
		check(box_open(&b) == OK);
		box_close(&b);
		check(snprintf(path, sizeof path, "%s/%s", k == 0 ? b.path : b.top,
			       k == 0 ? ".pop3-index" : ".mbox.pop3idx") > 0);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		check(fd >= 0);
		for (off_t at = 64 * 1024; at < 320 * 1024; at += 512)
			check(pwrite(fd, "damaged", 7, at) == 7);
		close(fd);
		check(box_open(&b) == OK && b.md.index.count == 3000);
		unsigned bad = 0;

		for (uint32_t i = 0; i < 3000; i += 50)
			bad += box_text(&b, i)[0] == '\0';
		check_row(k, warm[k].name, bad > 0 && bad < 60);
		check_row(k, warm[k].name, box_open(&b) == OK && b.md.index.count == 3000);
		for (uint32_t i = 0; i < 3000; i += 50)
			check_row(i, warm[k].name, box_text(&b, i)[0] == 'A');
		box_free(&b);
	}
	shim_reset();
}

static const struct {
	const char *about;
	enum index_mode mode;
	bool has_dir;
	const char *beside;
	bool in_dir, warm; /* where it is kept, and whether the second session finds it */
} modes[] = {
	{"auto", INDEX_AUTO, true, ".pop3-index", false, true},
	{"auto without a directory", INDEX_AUTO, false, ".pop3-index", false, true},
	{"directory", INDEX_DIR, true, NULL, true, true},
	{"directory that there is not", INDEX_DIR, false, NULL, false, false},
	{"off", INDEX_OFF, true, NULL, false, false},
};

static void test_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(modes); i++) {
		struct box b;
		char dir[128];

		shim_reset();
		shim.later_s = 10;
		box_new(&b);
		check(snprintf(dir, sizeof dir, "%s/index", b.top) < (int)sizeof dir && mkdir(dir, 0700) == 0);
		b.setup.index = modes[i].mode;
		b.setup.index_dir = modes[i].has_dir ? open(dir, O_PATH | O_CLOEXEC) : -1;
		put_messages(&b, 0, 3);
		check(box_open(&b) == OK);
		check_row(i, modes[i].about, box_has(&b, ".pop3-index") == (modes[i].beside != NULL));
		check_row(i, modes[i].about, (box_count(&b, "../index") == 1) == modes[i].in_dir);
		shim_reset();
		check(box_open(&b) == OK);
		check_row(i, modes[i].about, b.md.index.count == 3 && (shim.reads == 0) == modes[i].warm);
		if (b.setup.index_dir >= 0)
			close(b.setup.index_dir);
		box_free(&b);
	}
}

/* No room for an index is no reason to refuse mail. */
static void test_no_room(void **state)
{
	struct box b;

	(void)state;
	shim_reset();
	box_new(&b);
	put_messages(&b, 0, 3);
	for (unsigned at = 1; at <= 7; at++) { /* to the rename of the index */
		shim_reset();
		shim.what = SHIM_ERROR;
		shim.at = at;
		shim.error = ENOSPC;
		check_row(at, b.why.text, box_open(&b) == OK && b.md.index.count == 3);
		check_row(at, "a part of an index", !box_has(&b, ".pop3-index.new") || at == 1);
	}
	shim_reset();
	box_free(&b);
}

/* ---- damage ---- */

enum { INDEX_MOST = 64 * 1024 };

static struct stamp stamps[STAMPS];

/* An index of two messages, as octets. */
static size_t make_index(char *to, size_t cap)
{
	struct listing_rec r = {.raw = 10, .octets = 12, .lines = 2, .uidl_len = 1, .uidl = "a"};
	struct scan_entry e = {.id = 1};
	struct scan s = {0};
	struct why why;
	int fd;

	check(scan_add(&s, &r, &e, SLICE("first"), &why) == OK);
	r.uidl[0] = 'b';
	check(scan_add(&s, &r, &e, SLICE("second"), &why) == OK);
	check(index_memfd(&fd, &maildir_driver, &s, INT64_C(1) << 60, &why) == OK);
	ssize_t n = pread(fd, to, cap, 0);

	check(n > 0 && (size_t)n < cap);
	close(fd);
	scan_done(&s);
	return (size_t)n;
}

static int file_of(const char *from, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	check(fd >= 0 && pwrite(fd, from, n, 0) == (ssize_t)n);
	return fd;
}

/* Whether all of it can be used: opened, loaded, and read by windows. */
static bool is_usable(const char *from, size_t n)
{
	static struct index_first first;
	static struct index_window w;
	struct scan s = {0};
	struct index ix;
	bool current;

	if (index_adopt(&ix, file_of(from, n), &maildir_driver, stamps, &first, &current, NULL) != OK)
		return false;
	bool loaded = index_load(&ix, &s, NULL) == OK;

	for (uint32_t i = 0; i < ix.count && i < 10; i++)
		(void)index_read(&ix, i, 1, &w, NULL); /* no sanitizer may object */
	scan_done(&s);
	index_close(&ix);
	return loaded;
}

/* Where things are in an index of two messages: in its first block. */
enum {
	BLOCK = 256,
	ROOM = 32,
	REC = sizeof(struct listing_rec),
	ENTRY = sizeof(struct index_entry),
	REC_AT = sizeof(struct index_head),
	ENTRY_AT = REC_AT + BLOCK * REC,
	NAME_AT = ENTRY_AT + BLOCK * ENTRY,
	END = NAME_AT + 2 * ROOM,
};

static const struct {
	size_t at, n;
} used[] = {{0, REC_AT}, {REC_AT, 2 * REC}, {ENTRY_AT, 2 * ENTRY}, {NAME_AT, 2 * ROOM}};

/* A mark that is wrong is none, and damages nothing: test_stamps. */
static bool is_mark(size_t at)
{
	const size_t mark = offsetof(struct index_entry, mark);

	return at >= ENTRY_AT && at < NAME_AT && (at - ENTRY_AT) % ENTRY >= mark &&
	       (at - ENTRY_AT) % ENTRY < mark + sizeof(struct index_mark);
}

static char octets[INDEX_MOST];

static void test_every_octet_counts(void **state)
{
	size_t n = make_index(octets, sizeof octets);

	(void)state;
	check(n == END && is_usable(octets, n));
	for (size_t u = 0; u < TABLE_ROWS(used); u++)
		for (size_t i = used[u].at; i < used[u].at + used[u].n; i++)
			for (int bit = 0; bit < 8 && !is_mark(i); bit++) {
				octets[i] = (char)(octets[i] ^ 1 << bit);
				check_row(i, "a bit is wrong", !is_usable(octets, n));
				octets[i] = (char)(octets[i] ^ 1 << bit);
			}
	for (size_t cut = 0; cut < n; cut += cut < REC_AT || cut > NAME_AT ? 1 : 99)
		check_row(cut, "it was cut", !is_usable(octets, cut));
	check(is_usable(octets, n + 1)); /* what a killed process has appended */
}

/* A hostile user can make checksums that are right. */
static void sign(char *file)
{
	struct index_head h;

	memcpy(&h, file, sizeof h);
	h.sum = 0;
	for (uint32_t i = 0; i < h.count && i < 2; i++) {
		struct index_entry e;

		memcpy(&e, file + ENTRY_AT + i * ENTRY, sizeof e);
		const struct index_mark mark = e.mark;

		e.crc = 0;
		e.mark = (struct index_mark){0};
		uint32_t crc = listing_crc(i, (struct slice){file + REC_AT + i * REC, REC});

		crc = listing_crc(crc, (struct slice){(char *)&e, sizeof e});
		e.crc = listing_crc(crc, (struct slice){file + NAME_AT + i * ROOM, ROOM});
		e.mark = mark;
		h.sum += e.crc;
		memcpy(file + ENTRY_AT + i * ENTRY, &e, sizeof e);
	}
	h.head_crc = listing_crc(0, (struct slice){(char *)&h, offsetof(struct index_head, head_crc)});
	memcpy(file, &h, sizeof h);
}

static const struct {
	const char *about;
	size_t at;
	uint32_t value;
} lies[] = {
	{"number of messages", offsetof(struct index_head, count), 3},
	{"no messages", offsetof(struct index_head, count), 0},
	{"very many messages", offsetof(struct index_head, count), UINT32_MAX},
	{"no block", offsetof(struct index_head, block), 0},
	{"a small block", offsetof(struct index_head, block), 128},
	{"an odd block", offsetof(struct index_head, block), 257},
	{"a large block", offsetof(struct index_head, block), 2048},
	{"another block", offsetof(struct index_head, block), 512},
	{"no room for names", offsetof(struct index_head, room), 0},
	{"too much room", offsetof(struct index_head, room), 272},
	{"odd room", offsetof(struct index_head, room), 33},
	{"octets of all", offsetof(struct index_head, octets), 23},
	{"octets of one", REC_AT + offsetof(struct listing_rec, octets), 1000},
	{"raw octets", REC_AT + offsetof(struct listing_rec, raw) + 4, UINT32_MAX},
	{"lines", REC_AT + REC + offsetof(struct listing_rec, lines), 1000},
	{"a unique-id with a line's end", REC_AT + REC + offsetof(struct listing_rec, uidl), '\n'},
	{"length of a name", ENTRY_AT + offsetof(struct index_entry, name_len), ROOM + 1},
	{"length of a name that has a NUL", ENTRY_AT + offsetof(struct index_entry, name_len), 6},
};

static void test_signed_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(lies); i++) {
		size_t n = make_index(octets, sizeof octets);

		memcpy(octets + lies[i].at, &lies[i].value, sizeof lies[i].value);
		sign(octets);
		check_row(i, lies[i].about, !is_usable(octets, n));
	}
	size_t n = make_index(octets, sizeof octets);

	sign(octets);
	check(is_usable(octets, n)); /* signed as it is made */
}

/* Names lead nowhere else. */
static void test_names_stay_inside(void **state)
{
	static const char *const bad[] = {"a/../b", "/etc/x", "x\0y"};
	static struct index_window w;
	static struct index_first first;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(bad); i++) {
		size_t n = make_index(octets, sizeof octets);
		struct index ix;
		bool current;

		memcpy(octets + NAME_AT + ROOM, bad[i], 3);
		sign(octets);
		check(index_adopt(&ix, file_of(octets, n), &maildir_driver, stamps, &first, &current, NULL) == OK);
		check_row(i, bad[i], index_read(&ix, 1, 1, &w, NULL) == ERR_TEMP);
		index_close(&ix);
	}
}

/* What was written before the machine went down is checked whole: it may have holes. */
static void test_before_boot(void **state)
{
	struct box b;
	char path[128];

	(void)state;
	shim_reset();
	shim.later_s = 10;
	box_new(&b);
	put_messages(&b, 0, 1000);
	check(box_open(&b) == OK);
	box_close(&b);
	check(snprintf(path, sizeof path, "%s/.pop3-index", b.path) < (int)sizeof path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	static const char zeros[4096];

	check(fd >= 0 && fstat(fd, &st) == 0);
	check(pwrite(fd, zeros, sizeof zeros, st.st_size / 2) == sizeof zeros);
	check(futimens(fd, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}) == 0);
	close(fd);
	shim_reset();
	check(box_open(&b) == OK);
	check(shim.reads == 1000 && b.md.index.count == 1000);
	shim_reset();
	box_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trusted_after_two_seconds),
		cmocka_unit_test(test_warm_open_is_constant),
		cmocka_unit_test(test_damage_is_healed),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_every_octet_counts),
		cmocka_unit_test(test_signed_lies),
		cmocka_unit_test(test_names_stay_inside),
		cmocka_unit_test(test_before_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
