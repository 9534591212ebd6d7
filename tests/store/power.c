/* tests/store/power.c - see power.h */
#include "power.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

enum { SECTOR = 512, RANDOM_MOST = 20, STARTED_S = 100 };

/* ---- what was done ---- */

static struct power_story *telling; /* who is being recorded */

static ino_t ino_of(int fd)
{
	struct stat st;

	check(fstat(fd, &st) == 0);
	return st.st_ino;
}

/* Of a file that may have been made since the recording began. */
static ino_t ours_of(ino_t real)
{
	for (size_t i = telling->made; i-- > 0;)
		if (telling->reused[i].real == real)
			return telling->reused[i].ours;
	return real;
}

static ino_t ours_new(ino_t real)
{
	check(telling->made < POWER_OPS);
	telling->reused[telling->made].real = real;
	telling->reused[telling->made].ours = ((ino_t)telling->made + 1) << 48 | real;
	return telling->reused[telling->made++].ours;
}

/* Names may have a directory in them: the change is that one's. */
static ino_t dir_of(const struct shim_op *s, const char *path, const char **name)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char dir[64];
	struct stat st;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return ours_of(ino_of(s->fd));
	check(snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path) < (int)sizeof dir);
	check(fstatat(s->fd, dir, &st, 0) == 0);
	return st.st_ino;
}

/* ---- a world ---- */

static struct power_file *file_find(struct power_world *w, ino_t ino)
{
	for (size_t i = 0; i < w->files; i++)
		if (w->file[i].ino == ino)
			return &w->file[i];
	check(w->files < POWER_FILES);
	struct power_file *f = &w->file[w->files++];

	f->ino = ino;
	f->octets = 0;
	memset(f->text, 0, sizeof f->text);
	return f;
}

static struct power_name *name_find(struct power_world *w, size_t dir, const char *text)
{
	for (int i = 0; i < POWER_NAMES; i++)
		if (w->name[dir][i].ino != 0 && strcmp(w->name[dir][i].text, text) == 0)
			return &w->name[dir][i];
	return NULL;
}

static void name_set(struct power_world *w, size_t dir, const char *text, ino_t ino)
{
	struct power_name *n = name_find(w, dir, text);

	for (int i = 0; !n && i < POWER_NAMES; i++)
		if (w->name[dir][i].ino == 0)
			n = &w->name[dir][i];
	check(n != NULL);
	(void)snprintf(n->text, sizeof n->text, "%s", text);
	n->ino = ino;
}

static int dir_index(const struct power_world *w, ino_t ino)
{
	for (size_t i = 0; i < w->dirs; i++)
		if (w->dir[i] == ino)
			return (int)i;
	return -1;
}

enum torn { WHOLE_WRITE, FIRST_HALF, SECOND_HALF, EVERY_OTHER };

static bool sector_written(enum torn torn, size_t sector, size_t sectors)
{
	return torn == WHOLE_WRITE || (torn == FIRST_HALF && sector < sectors / 2) ||
	       (torn == SECOND_HALF && sector >= sectors / 2) || (torn == EVERY_OTHER && sector % 2 == 0);
}

static void apply_write(struct power_file *f, const struct power_op *o, enum torn torn)
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

/* To another directory: whatever of the one that it comes from is on the disk. */
static void apply_move(struct power_world *w, size_t from, size_t dir, const struct power_op *o)
{
	struct power_name *n = name_find(w, from, o->name), *to = name_find(w, dir, o->name2);

	if (o->kind == OP_EXCHANGE && !to)
		return;
	if (n && o->kind != OP_LINK)
		n->ino = o->kind == OP_EXCHANGE ? to->ino : 0;
	name_set(w, dir, o->name2, o->made);
}

static void apply_name(struct power_world *w, size_t dir, const struct power_op *o)
{
	struct power_name *n = name_find(w, dir, o->name), *to = name_find(w, dir, o->name2);
	ino_t ino = n ? n->ino : 0;

	if (o->kind == OP_CREATE)
		name_set(w, dir, o->name, o->made);
	else if (n && o->kind == OP_EXCHANGE && to) {
		n->ino = to->ino;
		to->ino = ino;
	} else if (n && (o->kind == OP_RENAME || o->kind == OP_LINK)) {
		if (o->kind == OP_RENAME)
			n->ino = 0;
		name_set(w, dir, o->name2, ino);
	} else if (n && o->kind == OP_UNLINK)
		n->ino = 0;
}

static void apply(struct power_world *w, const struct power_op *o, enum torn torn)
{
	int dir = dir_index(w, o->ino), from = dir_index(w, o->from);

	if (o->kind == OP_WRITE)
		apply_write(file_find(w, o->ino), o, torn);
	else if (o->kind == OP_TRUNCATE) {
		struct power_file *f = file_find(w, o->ino);

		if (o->n < f->octets)
			memset(f->text + o->n, 0, f->octets - o->n);
		f->octets = o->n;
	} else if (o->kind != OP_SYNC && dir >= 0 && from == dir)
		apply_name(w, (size_t)dir, o);
	else if (o->kind != OP_SYNC && dir >= 0 && from >= 0)
		apply_move(w, (size_t)from, (size_t)dir, o);
}

bool power_has(const struct power_world *w, size_t dir, bool (*is)(const char *name))
{
	for (int i = 0; i < POWER_NAMES; i++)
		if (w->name[dir][i].ino != 0 && is(w->name[dir][i].text))
			return true;
	return false;
}

/* ---- recording ---- */

static void on_made(const struct shim_op *s)
{
	const char *name, *name2 = NULL;

	check(telling->ops < POWER_OPS);
	struct power_op *o = &telling->op[telling->ops++];

	*o = (struct power_op){.kind = s->kind, .from = dir_of(s, s->name, &name), .n = s->n, .at = s->at};
	o->ino = s->name2 ? dir_of(s, s->name2, &name2) : o->from;
	if (s->kind == OP_CREATE)
		o->made = ours_new(ino_of(s->made));
	check(snprintf(o->name, sizeof o->name, "%s", name ? name : "") < (int)sizeof o->name);
	check(snprintf(o->name2, sizeof o->name2, "%s", name2 ? name2 : "") < (int)sizeof o->name2);
	int from = dir_index(&telling->now, o->from);
	const struct power_name *n =
		from >= 0 && o->from != o->ino ? name_find(&telling->now, (size_t)from, o->name) : NULL;

	if (n)
		o->made = n->ino;
	if (s->kind == OP_WRITE) {
		o->data = malloc(s->n);
		check(o->data != NULL);
		memcpy(o->data, s->data, s->n);
	}
	apply(&telling->now, o, WHOLE_WRITE);
}

void power_record(struct power_story *s, const struct power_places *places)
{
	power_read(&s->start, places);
	s->now = s->start;
	s->ops = s->made = 0;
	shim_reset();
	shim.no_sync = true;
	shim.made = on_made;
	telling = s;
}

void power_recorded(void)
{
	shim.made = NULL;
}

void power_forget(struct power_story *s)
{
	for (size_t i = 0; i < s->ops; i++)
		free(s->op[i].data);
	s->ops = 0;
}

/* ---- on the disk ---- */

static bool is_file(int dir, const char *name, struct stat *st)
{
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode);
}

static void read_file(struct power_world *w, size_t dir, int dirfd, const char *name, const struct stat *st)
{
	struct power_file *f = file_find(w, st->st_ino);
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, f->text, sizeof f->text) : -1;

	check_row(dir, name, n >= 0 && n < (ssize_t)sizeof f->text && close(fd) == 0);
	f->octets = (size_t)n;
	name_set(w, dir, name, st->st_ino);
}

static DIR *list(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	check(d != NULL);
	return d;
}

/* cppcheck-suppress-begin readdirCalled ; glibc's is safe for a directory stream of one's own */
void power_read(struct power_world *w, const struct power_places *places)
{
	memset(w, 0, sizeof *w);
	w->dirs = places->n;
	for (size_t i = 0; i < places->n; i++) {
		DIR *d = list(places->fd[i]);
		const struct dirent *e;
		struct stat st;

		w->dir[i] = ino_of(places->fd[i]);
		while ((e = readdir(d)))
			if (is_file(places->fd[i], e->d_name, &st))
				read_file(w, i, places->fd[i], e->d_name, &st);
		closedir(d);
	}
}

static void remove_others(const struct power_world *w, size_t i, int dirfd)
{
	DIR *d = list(dirfd);
	const struct dirent *e;
	struct stat st;

	while ((e = readdir(d)))
		if (is_file(dirfd, e->d_name, &st) && !name_find((struct power_world *)w, i, e->d_name))
			check_row(i, e->d_name, syscall(SYS_unlinkat, dirfd, e->d_name, 0) == 0);
	closedir(d);
}
/* cppcheck-suppress-end readdirCalled */

static void write_file(int dirfd, const char *name, const struct power_file *f)
{
	long fd = syscall(SYS_openat, dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check_row(0, name, fd >= 0 && syscall(SYS_write, fd, f->text, f->octets) == (long)f->octets);
	check_row(0, name, close((int)fd) == 0);
}

static ino_t disk_ino(const struct power_places *places, size_t i, const char *name)
{
	struct stat st;

	return is_file(places->fd[i], name, &st) ? st.st_ino : 0;
}

/* The first name of the world that is one of this inode, before this one, or of another inode but that of this file on the disk. */
static const struct power_name *other_name(const struct power_world *w, const struct power_places *places, size_t i,
					   const struct power_name *n, bool same, size_t *dir)
{
	ino_t disk = disk_ino(places, i, n->text);

	for (*dir = 0; *dir < places->n; ++*dir)
		for (const struct power_name *o = w->name[*dir]; o < w->name[*dir] + POWER_NAMES; o++) {
			if (same && o == n)
				return NULL;
			if (o == n || o->ino == 0)
				continue;
			if (same ? o->ino == n->ino
				 : o->ino != n->ino && disk != 0 && disk_ino(places, *dir, o->text) == disk)
				return o;
		}
	return NULL;
}

/* Names of one file are links; those of two are not, whatever they were before. */
static void write_name(const struct power_world *w, const struct power_places *places, size_t i,
		       const struct power_name *n)
{
	size_t dir;
	const struct power_name *first = other_name(w, places, i, n, true, &dir);
	int fd = places->fd[i];

	if (!first) {
		size_t unused;

		if (other_name(w, places, i, n, false, &unused))
			check_row(i, n->text, syscall(SYS_unlinkat, fd, n->text, 0) == 0);
		write_file(fd, n->text, file_find((struct power_world *)w, n->ino));
	} else if (disk_ino(places, i, n->text) != disk_ino(places, dir, first->text)) {
		(void)syscall(SYS_unlinkat, fd, n->text, 0);
		check_row(i, n->text, syscall(SYS_linkat, places->fd[dir], first->text, fd, n->text, 0) == 0);
	}
}

void power_write(const struct power_world *w, const struct power_places *places)
{
	shim.booted = shim.no_sync = true;
	shim.later_s = STARTED_S;
	for (size_t i = 0; i < places->n; i++) {
		remove_others(w, i, places->fd[i]);
		for (int k = 0; k < POWER_NAMES; k++) {
			const struct power_name *n = &w->name[i][k];

			if (n->ino != 0)
				write_name(w, places, i, n);
		}
	}
}

/* ---- what a crash may leave ---- */

/* A file or a directory, and what of it was not synced when the power failed. */
struct object {
	ino_t ino;
	bool dir;
	size_t pending[POWER_OPS];
	size_t n, choices;
};

struct power_crash {
	const struct power_story *story;
	struct power_world durable;
	struct object object[POWER_FILES + POWER_DIRS];
	size_t objects, next, product, states;
};

/* none; all; alone; all but one; torn; and of a directory, beginnings. */
static void object_count(struct object *o, bool all)
{
	o->choices = o->n > 0 ? 2 : 1;
	if (all && o->n > 0)
		o->choices += 2 * o->n + (o->dir ? o->n : 3 * o->n);
}

static void object_apply(const struct power_story *s, struct power_world *w, const struct object *o, size_t c)
{
	for (size_t i = 0; i < o->n; i++) {
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
			apply(w, &s->op[o->pending[i]], torn);
	}
}

static struct object *object_find(struct power_crash *c, ino_t ino)
{
	for (size_t i = 0; i < c->objects; i++)
		if (c->object[i].ino == ino)
			return &c->object[i];
	check(c->objects < TABLE_ROWS(c->object));
	c->object[c->objects].ino = ino;
	c->object[c->objects].dir = dir_index(&c->story->start, ino) >= 0;
	return &c->object[c->objects++];
}

static void replay_story(struct power_crash *c, size_t k)
{
	const struct power_story *s = c->story;

	for (size_t i = 0; i < k; i++) {
		struct object *o = object_find(c, s->op[i].ino);

		if (s->op[i].kind != OP_SYNC) {
			o->pending[o->n++] = i;
			continue;
		}
		for (size_t p = 0; p < o->n; p++)
			apply(&c->durable, &s->op[o->pending[p]], WHOLE_WRITE);
		o->n = 0;
	}
}

struct power_crash *power_crash_new(const struct power_story *s, size_t k, bool all, size_t combinations_most)
{
	struct power_crash *c = calloc(1, sizeof *c);
	size_t single = 0;

	check(c != NULL);
	c->story = s;
	c->durable = s->start;
	replay_story(c, k);
	c->product = 1;
	for (size_t i = 0; i < c->objects; i++) {
		object_count(&c->object[i], all);
		single += 2 * c->object[i].choices;
		if (c->product <= combinations_most)
			c->product *= c->object[i].choices;
	}
	c->states = c->product;
	if (c->product > combinations_most) {
		c->product = 0;
		c->states = single + RANDOM_MOST;
	}
	return c;
}

/* The choice for object `i` in state number `n`. */
static size_t choice(const struct power_crash *c, size_t i, size_t n)
{
	uint64_t random = (n * 31 + i + 1) * 0x9E3779B97F4A7C15u;

	if (c->product > 0) {
		for (size_t k = 0; k < i; k++)
			n /= c->object[k].choices;
		return n % c->object[i].choices;
	}
	for (size_t k = 0; k < c->objects; k++) {
		size_t of = c->object[k].choices;

		if (n < 2 * of)
			return k == i ? n / 2 : n % 2 && c->object[i].choices > 1;
		n -= 2 * of;
	}
	return (size_t)((random ^ random >> 29) % c->object[i].choices);
}

bool power_crash_next(struct power_crash *c, struct power_world *w)
{
	if (c->next >= c->states)
		return false;
	*w = c->durable;
	for (size_t i = 0; i < c->objects; i++)
		object_apply(c->story, w, &c->object[i], choice(c, i, c->next));
	c->next++;
	return true;
}

void power_crash_free(struct power_crash *c)
{
	free(c);
}
