/* store/maildir_list.c - see maildir_list.h */
#include "store/maildir_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char maildir_dirs[DIRS][4] = {[DIR_NEW] = "new", [DIR_CUR] = "cur"};

void maildir_path(struct maildir_path *path, unsigned dir, struct slice name)
{
	struct buf b = BUF(path->text);

	buf_str(&b, maildir_dirs[dir]);
	buf_char(&b, '/');
	buf_put(&b, (struct slice){name.p, name.n < NAME_OCTETS ? name.n : NAME_OCTETS});
	buf_char(&b, '\0');
}

enum err maildir_stamp(int fd, struct stamp stamp[STAMPS], struct why *why)
{
	struct stat st;

	for (int d = 0; d < DIRS; d++) {
		if (fstatat(fd, maildir_dirs[d], &st, 0) < 0)
			return fail_errno(why, storage_err(errno), "%s/", maildir_dirs[d]);
		if (!S_ISDIR(st.st_mode))
			return fail(why, ERR_PERM, "%s is not a directory", maildir_dirs[d]);
		stamp[d] = storage_stamp(&st);
	}
	return OK;
}

static struct slice stable_of(const char *texts, const struct found *f)
{
	return (struct slice){texts + f->text.at + f->stable_at, f->stable_len};
}

struct slice maildir_list_name(const struct maildir_list *l, const struct found *f)
{
	return (struct slice){pile_text(&l->pile, f), f->name_len};
}

struct slice maildir_list_stable(const struct maildir_list *l, const struct found *f)
{
	return stable_of(l->pile.text.p, f);
}

bool maildir_list_add(struct maildir_list *l, unsigned dir, uint64_t ino, struct slice name)
{
	struct maildir_name n;

	maildir_name_parse(&n, name);
	struct slice stable = {n.stable, n.stable_len};
	bool begins = slice_starts(name, stable); /* mostly, what comes and goes is at the end */
	struct found f = {.number = n.number, .m = n.m, .q = n.q, .ino = ino, .dir = (uint8_t)dir};

	f.name_len = (uint16_t)name.n;
	f.stable_at = begins ? 0 : f.name_len;
	f.stable_len = n.stable_len;
	l->pile.size = sizeof f;
	if (begins)
		stable.n = 0;
	if (!pile_add(&l->pile, &f, name, stable))
		return false;
	l->count++;
	return true;
}

/* Messages are regular files whose name does not begin with a dot. */
static bool may_be_message(const struct dirent *e)
{
	return e->d_name[0] != '.' && (e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
}

static enum err read_dir(DIR *dir, unsigned d, bool (*each)(void *arg, unsigned dir, uint64_t ino, struct slice name),
			 void *arg, struct why *why)
{
	for (;;) {
		errno = 0;
		/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
		const struct dirent *e = readdir(dir);

		if (!e && errno != 0)
			return fail_errno(why, storage_err(errno), "read %s/", maildir_dirs[d]);
		if (!e)
			return OK;
		if (may_be_message(e) && !each(arg, d, e->d_ino, slice_str(e->d_name)))
			return fail(why, ERR_TEMP, "no memory for a list of messages");
	}
}

enum err maildir_each(int fd, unsigned d, bool (*each)(void *arg, unsigned dir, uint64_t ino, struct slice name),
		      void *arg, struct why *why)
{
	int dir_fd = openat(fd, maildir_dirs[d], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;

	if (!dir) {
		enum err err = fail_errno(why, storage_err(errno), "open %s/", maildir_dirs[d]);

		if (dir_fd >= 0)
			close(dir_fd);
		return err;
	}
	enum err err = read_dir(dir, d, each, arg, why);

	closedir(dir);
	return err;
}

static bool add_found(void *arg, unsigned dir, uint64_t ino, struct slice name)
{
	return maildir_list_add(arg, dir, ino, name);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_text(struct slice a, struct slice b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ? order : compare_numbers(a.n, b.n);
}

static int compare(const void *left, const void *right, void *texts)
{
	const struct found *a = left, *b = right;
	const char *text = texts;
	int order = compare_numbers(a->number, b->number);

	if (!order)
		order = compare_numbers(a->m, b->m);
	if (!order)
		order = compare_numbers(a->q, b->q);
	if (!order)
		order = compare_text(stable_of(text, a), stable_of(text, b));
	if (!order)
		order = compare_numbers(b->dir, a->dir); /* what is in cur/ came earlier */
	return order ? order
		     : compare_text((struct slice){text + a->text.at, a->name_len},
				    (struct slice){text + b->text.at, b->name_len});
}

static int order(uint64_t number, uint64_t m, uint64_t q, struct slice stable, const struct maildir_name *n)
{
	int by = compare_numbers(number, n->number);

	if (!by)
		by = compare_numbers(m, n->m);
	if (!by)
		by = compare_numbers(q, n->q);
	return by ? by : compare_text(stable, (struct slice){n->stable, n->stable_len});
}

int maildir_list_compare(const struct maildir_list *l, const struct found *f, const struct maildir_name *n)
{
	return order(f->number, f->m, f->q, maildir_list_stable(l, f), n);
}

int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b)
{
	return order(a->number, a->m, a->q, (struct slice){a->stable, a->stable_len}, b);
}

static bool is_same(const struct maildir_list *l, const struct found *a, const struct found *b)
{
	return a->ino == b->ino && slice_eq(maildir_list_stable(l, a), maildir_list_stable(l, b));
}

/* A file that was renamed meanwhile may have been seen under both names. Which of them it has now the list cannot tell; but where
 * it went from new/ to cur/, the first one is right. */
static void drop_doubles(struct maildir_list *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		bool seen = false;

		for (size_t k = kept; k > 0 && !seen; k--) {
			if (!slice_eq(maildir_list_stable(l, &l->found[k - 1]), maildir_list_stable(l, &l->found[i])))
				break;
			seen = is_same(l, &l->found[k - 1], &l->found[i]);
		}
		if (!seen)
			l->found[kept++] = l->found[i];
		room_pass(i);
	}
	l->count = kept;
}

static uint64_t fingerprint(const struct maildir_list *l)
{
	uint64_t sum = l->count;

	for (size_t i = 0; i < l->count; i++) {
		struct slice stable = maildir_list_stable(l, &l->found[i]);
		uint64_t h = 0xCBF29CE484222325u ^ l->found[i].ino * 0x9E3779B97F4A7C15u;

		for (size_t k = 0; k < stable.n; k++)
			h = (h ^ (uint8_t)stable.p[k]) * 0x100000001B3u; /* FNV-1a */
		sum += h ^ h >> 32;
		room_pass(i);
	}
	return sum;
}

bool maildir_list_sort(struct maildir_list *l)
{
	if (!pile_sort(&l->pile, compare))
		return false;
	l->found = (void *)l->pile.row.p;
	drop_doubles(l);
	return true;
}

enum err maildir_list_read(struct maildir_list *l, int fd, struct why *why)
{
	struct stamp behind[STAMPS];
	enum err err = maildir_stamp(fd, l->stamp, why);

	/* In this order: a message that is moved from new/ to cur/ meanwhile is seen twice, but not missed. */
	for (unsigned d = 0; d < DIRS && err == OK; d++)
		err = maildir_each(fd, d, add_found, l, why);
	if (err == OK)
		err = maildir_stamp(fd, behind, why);
	if (err != OK)
		return err;
	if (!maildir_list_sort(l))
		return fail(why, ERR_TEMP, "no memory for a list of messages");
	l->quiet = memcmp(l->stamp, behind, sizeof behind) == 0;
	l->fingerprint = fingerprint(l);
	return OK;
}

void maildir_list_done(struct maildir_list *l)
{
	pile_done(&l->pile);
	*l = (struct maildir_list){0};
}

/* Whether what is at position `i` stands before a name. */
static bool is_before(const struct maildir_list *l, size_t i, const struct maildir_name *n)
{
	return maildir_list_compare(l, &l->found[i], n) < 0;
}

/* From where the last one was found, in longer and longer steps; so that who goes through all does not look at the whole list each time. */
const struct found *maildir_list_find(struct maildir_list *l, const struct maildir_name *n, const struct found **end)
{
	size_t low = l->hint > 0 && l->hint <= l->count && is_before(l, l->hint - 1, n) ? l->hint : 0, high = low;

	for (size_t step = 1; high < l->count && is_before(l, high, n); step *= 2) {
		low = high + 1;
		high = step < l->count - high ? high + step : l->count;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (is_before(l, middle, n))
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < l->count && maildir_list_compare(l, &l->found[high], n) == 0;)
		high++;
	room_pass(l->finds++);
	l->hint = low;
	*end = low < high ? l->found + high : NULL;
	return low < high ? l->found + low : NULL;
}
