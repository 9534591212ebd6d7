/* tests/store/test_power.c - the power fails, or the process, in the middle of a cut: old or new, and nothing else
 *
 * The changes that one cut makes are recorded once. For every moment of it every state is built that a file system may leave: what was
 * synced is there; of what was not, for each file and each directory by itself, nothing, all, each change alone, all but one, and each
 * write torn: its first half, its second half, every other 512 octets. Of a directory also every beginning of its changes. Then the
 * mailbox is opened again and what is left is replayed, also with octets that somebody has appended before, and the replay's own
 * changes are taken the same way (all or nothing of what is not synced). */
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

enum {
	OPS_MOST = 400,
	FILES_MOST = 8,
	NAMES_MOST = 8,
	SECTOR = 512,
	OCTETS = 9000,
};

static const struct cut cuts[] = {{100, 700}, {5000, 5001}, {8500, 8700}};
enum { CUTS = TABLE_ROWS(cuts) };

/* By somebody who ignores locks, after the crash: less than was cut, and more. */
#define LINE "From a deliverer that ignores locks\n"
#define LINES LINE LINE LINE LINE LINE LINE LINE LINE
static const char *const appended[] = {"", LINE, LINES LINES LINES LINES};

static struct cutbox box;
static char old_text[CUTBOX_MOST], new_text[CUTBOX_MOST];
static size_t old_octets, new_octets;

/* ---- what was done ---- */

struct op {
	enum shim_op_kind kind;
	ino_t ino; /* of the file, or of the directory */
	ino_t made;
	char name[48], name2[48];
	char *data;
	size_t n;
	off_t at;
};

struct name {
	char text[48];
	ino_t ino; /* 0: none */
};

struct file {
	ino_t ino;
	char text[CUTBOX_MOST];
	size_t octets;
};

/* All there is, in two directories. */
struct world {
	struct file file[FILES_MOST];
	size_t files;
	ino_t dir[2];
	struct name name[2][NAMES_MOST];
};

struct story {
	struct world start;
	struct op op[OPS_MOST];
	size_t ops;
};

static struct story *telling; /* who is being recorded */

static ino_t ino_of(int fd)
{
	struct stat st;

	check(fstat(fd, &st) == 0);
	return st.st_ino;
}

static void on_made(const struct shim_op *s)
{
	check(telling->ops < OPS_MOST);
	struct op *o = &telling->op[telling->ops++];

	*o = (struct op){.kind = s->kind, .ino = ino_of(s->fd), .n = s->n, .at = s->at};
	if (s->kind == OP_CREATE)
		o->made = ino_of(s->made);
	(void)snprintf(o->name, sizeof o->name, "%s", s->name ? s->name : "");
	(void)snprintf(o->name2, sizeof o->name2, "%s", s->name2 ? s->name2 : "");
	if (s->kind == OP_WRITE) {
		o->data = malloc(s->n);
		check(o->data != NULL);
		memcpy(o->data, s->data, s->n);
	}
}

static void story_free(struct story *s)
{
	for (size_t i = 0; i < s->ops; i++)
		free(s->op[i].data);
	s->ops = 0;
}

/* ---- a world ---- */

static struct file *file_find(struct world *w, ino_t ino)
{
	for (size_t i = 0; i < w->files; i++)
		if (w->file[i].ino == ino)
			return &w->file[i];
	check(w->files < FILES_MOST);
	struct file *f = &w->file[w->files++];

	f->ino = ino;
	f->octets = 0;
	memset(f->text, 0, sizeof f->text);
	return f;
}

static struct name *name_find(struct world *w, int dir, const char *text, bool make)
{
	for (int i = 0; i < NAMES_MOST; i++)
		if (w->name[dir][i].ino != 0 && strcmp(w->name[dir][i].text, text) == 0)
			return &w->name[dir][i];
	for (int i = 0; make && i < NAMES_MOST; i++)
		if (w->name[dir][i].ino == 0) {
			(void)snprintf(w->name[dir][i].text, sizeof w->name[dir][i].text, "%s", text);
			return &w->name[dir][i];
		}
	check(!make);
	return NULL;
}

static int dir_index(const struct world *w, ino_t ino)
{
	return ino == w->dir[0] ? 0 : ino == w->dir[1] ? 1 : -1;
}

enum torn { WHOLE_WRITE, FIRST_HALF, SECOND_HALF, EVERY_OTHER, TORN_COUNT };

static bool sector_written(enum torn torn, size_t sector, size_t sectors)
{
	return torn == WHOLE_WRITE || (torn == FIRST_HALF && sector < sectors / 2) ||
	       (torn == SECOND_HALF && sector >= sectors / 2) || (torn == EVERY_OTHER && sector % 2 == 0);
}

static void apply_write(struct file *f, const struct op *o, enum torn torn)
{
	size_t at = o->at < 0 ? f->octets : (size_t)o->at, first = at / SECTOR;
	size_t sectors = (at + o->n + SECTOR - 1) / SECTOR - first;

	check(at + o->n < sizeof f->text);
	for (size_t i = 0; i < o->n; i++)
		if (sector_written(torn, (at + i) / SECTOR - first, sectors))
			f->text[at + i] = o->data[i];
	if (at + o->n > f->octets)
		f->octets = at + o->n;
}

static void apply_name(struct world *w, int dir, const struct op *o)
{
	struct name *n = name_find(w, dir, o->name, false);

	if (o->kind == OP_CREATE)
		name_find(w, dir, o->name, true)->ino = o->made;
	else if (n && o->kind == OP_RENAME) {
		ino_t ino = n->ino;

		n->ino = 0;
		name_find(w, dir, o->name2, true)->ino = ino;
	} else if (n)
		n->ino = 0;
}

static void apply(struct world *w, const struct op *o, enum torn torn)
{
	int dir = dir_index(w, o->ino);

	if (o->kind == OP_WRITE)
		apply_write(file_find(w, o->ino), o, torn);
	else if (o->kind == OP_TRUNCATE) {
		struct file *f = file_find(w, o->ino);

		if (o->n < f->octets)
			memset(f->text + o->n, 0, f->octets - o->n);
		f->octets = o->n;
	} else if (o->kind != OP_SYNC && dir >= 0)
		apply_name(w, dir, o);
}

/* ---- what a crash may leave ---- */

/* A file or a directory, and what of it was not synced when the power failed. */
struct object {
	ino_t ino;
	bool dir;
	size_t pending[OPS_MOST];
	size_t n, choice, choices;
};

/* none; all; alone; all but one; torn; and of a directory, beginnings. */
static void object_count(struct object *o, bool all)
{
	o->choices = o->n > 0 ? 2 : 1;
	if (all && o->n > 0)
		o->choices += 2 * o->n + (o->dir ? o->n : 3 * o->n);
}

static void object_apply(const struct story *s, struct world *w, const struct object *o)
{
	size_t c = o->choice;

	for (size_t i = 0; i < o->n; i++) {
		const struct op *op = &s->op[o->pending[i]];
		enum torn torn = WHOLE_WRITE;
		bool done = c == 1;

		if (c >= 2 && c < 2 + o->n)
			done = i == c - 2;
		else if (c >= 2 + o->n && c < 2 + 2 * o->n)
			done = i != c - 2 - o->n;
		else if (c >= 2 + 2 * o->n && o->dir)
			done = i <= c - 2 - 2 * o->n;
		else if (c >= 2 + 2 * o->n) {
			size_t k = c - 2 - 2 * o->n;

			done = i <= k / 3;
			torn = i == k / 3 ? FIRST_HALF + (enum torn)(k % 3) : WHOLE_WRITE;
		}
		if (done)
			apply(w, op, torn);
	}
}

static struct object objects[FILES_MOST + 2];
static size_t objects_n;

static struct object *object_find(const struct story *s, ino_t ino)
{
	for (size_t i = 0; i < objects_n; i++)
		if (objects[i].ino == ino)
			return &objects[i];
	check(objects_n < TABLE_ROWS(objects));
	objects[objects_n] = (struct object){.ino = ino, .dir = dir_index(&s->start, ino) >= 0};
	return &objects[objects_n++];
}

/* What is durable of the first `k` changes, in *w; and what is pending. */
static void crash_prepare(const struct story *s, size_t k, struct world *w, bool all)
{
	objects_n = 0;
	*w = s->start;
	for (size_t i = 0; i < k; i++) {
		struct object *o = object_find(s, s->op[i].ino);

		if (s->op[i].kind != OP_SYNC) {
			o->pending[o->n++] = i;
			continue;
		}
		for (size_t p = 0; p < o->n; p++)
			apply(w, &s->op[o->pending[p]], WHOLE_WRITE);
		o->n = 0;
	}
	for (size_t i = 0; i < objects_n; i++)
		object_count(&objects[i], all);
}

/* The next combination of choices. */
static bool crash_next(void)
{
	for (size_t i = 0; i < objects_n; i++) {
		if (++objects[i].choice < objects[i].choices)
			return true;
		objects[i].choice = 0;
	}
	return false;
}

/* ---- a world on the disk, and back ---- */

static void world_read(struct world *w, ino_t mbox)
{
	*w = (struct world){.dir = {ino_of(box.dir), ino_of(box.journals)}};
	struct file *f = file_find(w, mbox);

	cutbox_read(&box);
	memcpy(f->text, box.text, box.octets);
	f->octets = box.octets;
	name_find(w, 0, "mbox", true)->ino = mbox;
}

/* The inode that it has now. */
static ino_t put_file(int dir, const char *name, const struct file *f)
{
	struct stat st;
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0 && write(fd, f->text, f->octets) == (ssize_t)f->octets && fstat(fd, &st) == 0 && close(fd) == 0);
	return st.st_ino;
}

/* In the same directories: the inode of the mailbox is what it was. *w becomes what is there, without files that have no name. */
static void world_write(struct world *w)
{
	static struct world now;

	now = (struct world){.dir = {w->dir[0], w->dir[1]}};
	cutbox_clear(&box);
	check(name_find(w, 0, "mbox", false) != NULL);
	for (int dir = 0; dir < 2; dir++)
		for (int i = 0; i < NAMES_MOST; i++) {
			const struct name *n = &w->name[dir][i];

			if (n->ino == 0 || (dir == 0 && strcmp(n->text, "mbox") != 0))
				continue;
			const struct file *f = file_find(w, n->ino);
			ino_t ino = put_file(dir == 0 ? box.dir : box.journals, n->text, f);

			struct file *to = file_find(&now, ino);

			memcpy(to->text, f->text, f->octets);
			to->octets = f->octets;
			name_find(&now, dir, n->text, true)->ino = ino;
		}
	*w = now;
}

static bool is_text(const char *text, size_t octets, const char *more)
{
	size_t n = strlen(more);

	return box.octets == octets + n && memcmp(box.text, text, octets) == 0 &&
	       memcmp(box.text + octets, more, n) == 0;
}

/* Replays what is there, and looks. */
static void check_state(size_t row, const char *what, const char *more)
{
	bool left = cutbox_journals(&box) > 0;

	if (more[0])
		cutbox_append(box.path, more);
	enum err err = cutbox_again(&box);

	check_row(row, err == OK ? what : box.why.text, err == OK);
	cutbox_read(&box);
	check_row(row, what, is_text(new_text, new_octets, more) || is_text(old_text, old_octets, more));
	check_row(row, what, !left || !journal_is_left(&box.journal, ino_of(box.fd)));
}

static struct story first, second;
static unsigned states;

static void record(struct story *s)
{
	shim_reset();
	shim.no_sync = true;
	shim.made = on_made;
	telling = s;
}

/* The replay of this state is interrupted, too, at every moment. */
static void check_replay(size_t row, const struct world *w)
{
	struct world then = *w;
	struct object kept[TABLE_ROWS(objects)];
	size_t kept_n = objects_n;

	memcpy(kept, objects, sizeof kept);
	world_write(&then);
	second.start = then;
	second.ops = 0;
	record(&second);
	enum err err = cutbox_again(&box);

	shim.made = NULL;
	check_row(row, "replay", err == OK);
	for (size_t k = 0; k <= second.ops; k++) {
		struct world durable;

		crash_prepare(&second, k, &durable, false);
		do {
			then = durable;
			for (size_t i = 0; i < objects_n; i++)
				object_apply(&second, &then, &objects[i]);
			world_write(&then);
			check_state(row, "a replay that was interrupted", "");
			states++;
		} while (crash_next());
	}
	story_free(&second);
	objects_n = kept_n;
	memcpy(objects, kept, sizeof kept);
}

static bool has_journal(const struct world *w)
{
	for (int i = 0; i < NAMES_MOST; i++)
		if (w->name[1][i].ino != 0 && journal_is_name(w->name[1][i].text))
			return true;
	return false;
}

static void check_way(enum cut_way way, const struct cut *cut, size_t n)
{
	old_octets = OCTETS;
	cut_fill(old_text, OCTETS);
	new_octets = cut_model(old_text, OCTETS, cut, n, new_text);
	cutbox_new(&box, way, old_text, OCTETS);
	world_read(&first.start, ino_of(box.fd));
	first.ops = 0;
	record(&first);
	check(cut_apply(&box.file, cut, n, &box.why) == OK);
	shim.made = NULL;
	states = 0;
	for (size_t k = 0; k <= first.ops; k++) {
		struct world durable, then;
		unsigned combination = 0;

		crash_prepare(&first, k, &durable, true);
		do {
			then = durable;
			for (size_t i = 0; i < objects_n; i++)
				object_apply(&first, &then, &objects[i]);
			for (size_t i = 0; i < TABLE_ROWS(appended); i++, states++) {
				world_write(&then);
				check_state(k, appended[i], appended[i]);
				/* What was said to be done is durable. */
				check_row(k, appended[i], k < first.ops || is_text(new_text, new_octets, appended[i]));
			}
			if (combination++ < 2 && has_journal(&then))
				check_replay(k, &then);
		} while (crash_next());
	}
	print_message("%zu changes, %u states\n", first.ops, states);
	check(states > 10);
	story_free(&first);
	shim_reset();
	cutbox_free(&box);
}

static void test_tail(void **state)
{
	(void)state;
	check_way(WAY_RENAME, &(struct cut){4000, OCTETS}, 1);
}

static void test_renamed(void **state)
{
	(void)state;
	check_way(WAY_RENAME, cuts, CUTS);
}

static void test_in_place(void **state)
{
	(void)state;
	check_way(WAY_IN_PLACE, cuts, CUTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tail), cmocka_unit_test(test_renamed),
					   cmocka_unit_test(test_in_place)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
