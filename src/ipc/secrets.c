/* ipc/secrets.c - see secrets.h */
#include "ipc/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* At the beginning of a table; the entries follow, sorted by name, and then the text. */
struct secrets_head {
	uint64_t n;
	int64_t read_ns;
	struct file_stamp stamp;
	struct secrets_entry entry[];
};

int file_stamp(const char *path, struct file_stamp *out)
{
	struct stat st;

	*out = (struct file_stamp){0};
	if (fstatat(AT_FDCWD, path, &st, 0) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	*out = (struct file_stamp){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
		.ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
	};
	return 1;
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* --- making one ------------------------------------------------------------------------------------------------- */

/* Room for `more` octets behind `used`; what was there is wiped where it is left. */
static void *grow(void *old, size_t used, size_t *cap, size_t more)
{
	if (used + more <= *cap)
		return old;
	size_t octets = 2 * (used + more) + 4096;
	char *bigger = malloc(octets);

	if (!bigger)
		return NULL;
	if (used > 0) {
		memcpy(bigger, old, used);
		explicit_bzero(old, used);
	}
	free(old);
	*cap = octets;
	return bigger;
}

static uint32_t put(struct secrets_draft *d, struct slice text)
{
	size_t at = d->octets;

	if (text.n > 0)
		memcpy(d->text + at, text.p, text.n);
	d->octets += text.n;
	return (uint32_t)at;
}

enum err secrets_add(struct secrets_draft *d, struct slice name, struct slice secret, struct why *why)
{
	char *text = d->octets + name.n + secret.n < UINT32_MAX
			     ? grow(d->text, d->octets, &d->text_cap, name.n + secret.n + 1)
			     : NULL;
	struct secrets_entry *entry = text ? grow(d->entry, d->n * sizeof *entry, &d->cap, sizeof *entry) : NULL;

	d->text = text ? text : d->text;
	if (!entry)
		return fail(why, ERR_TEMP, "no memory for secrets");
	d->entry = entry;
	entry[d->n].name_n = (uint32_t)name.n;
	entry[d->n].name_at = put(d, name);
	entry[d->n].secret_n = (uint32_t)secret.n;
	entry[d->n++].secret_at = put(d, secret);
	return OK;
}

static int compare(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : a.n < b.n ? -1 : a.n > b.n;
}

/* Behind the names, by the order in which they came: names lie in it. */
static int by_name(const void *a, const void *b, void *text)
{
	const struct secrets_entry *x = a, *y = b;
	struct slice xn = {(char *)text + x->name_at, x->name_n}, yn = {(char *)text + y->name_at, y->name_n};
	int c = compare(xn, yn);

	return c != 0 ? c : x->name_at < y->name_at ? -1 : x->name_at > y->name_at;
}

static enum err write_all(int fd, const void *p, size_t n, struct why *why)
{
	for (const char *at = p; n > 0;) {
		ssize_t done = write(fd, at, n);

		if (done < 0)
			return fail_errno(why, ERR_TEMP, "write secrets");
		at += done;
		n -= (size_t)done;
	}
	return OK;
}

enum err secrets_write(struct secrets_draft *d, int fd, const struct file_stamp *stamp, struct why *why)
{
	struct secrets_head head = {.n = d->n, .read_ns = clock_wall_ns(), .stamp = *stamp};

	if (d->n > 0)
		qsort_r(d->entry, d->n, sizeof *d->entry, by_name, d->text);
	enum err err = write_all(fd, &head, sizeof head, why);

	if (err == OK)
		err = write_all(fd, d->entry, d->n * sizeof *d->entry, why);
	if (err == OK)
		err = write_all(fd, d->text, d->octets, why);
	if (err == OK && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		err = fail_errno(why, ERR_TEMP, "seal secrets");
	return err;
}

void secrets_discard(struct secrets_draft *d)
{
	if (d->text)
		explicit_bzero(d->text, d->octets);
	free(d->text);
	free(d->entry);
	*d = (struct secrets_draft){0};
}

/* --- using one -------------------------------------------------------------------------------------------------- */

static size_t text_octets(const struct secrets *s)
{
	return s->octets - sizeof *s->head - s->head->n * sizeof *s->head->entry;
}

static struct slice text_at(const struct secrets *s, uint32_t at, uint32_t n)
{
	const char *text = (const char *)(s->head->entry + s->head->n);

	return (size_t)at + n <= text_octets(s) ? (struct slice){text + at, n} : (struct slice){NULL, 0};
}

enum err secrets_open(struct secrets *s, int fd, struct why *why)
{
	struct stat st;

	*s = (struct secrets){0};
	if (fstat(fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "a table of secrets");
	if (st.st_size < (off_t)sizeof *s->head)
		return fail(why, ERR_PERM, "a table of secrets of %lld octets", (long long)st.st_size);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return fail_errno(why, ERR_TEMP, "map a table of secrets");
	*s = (struct secrets){.head = p, .octets = (size_t)st.st_size};
	if (s->head->n <= (s->octets - sizeof *s->head) / sizeof *s->head->entry)
		return OK;
	secrets_close(s);
	return fail(why, ERR_PERM, "a table of secrets that is cut off");
}

void secrets_close(struct secrets *s)
{
	if (s->head)
		munmap((void *)s->head, s->octets);
	*s = (struct secrets){0};
}

int64_t secrets_read_ns(const struct secrets *s)
{
	return s->head ? s->head->read_ns : 0;
}

const struct file_stamp *secrets_stamp(const struct secrets *s)
{
	static const struct file_stamp none;

	return s->head ? &s->head->stamp : &none;
}

bool secrets_find(const struct secrets *s, struct slice name, struct slice *secret)
{
	size_t low = 0, high = s->head ? s->head->n : 0;
	const struct secrets_entry *e;

	while (low < high) { /* the first one behind the name */
		size_t middle = low + (high - low) / 2;

		e = &s->head->entry[middle];
		if (compare(text_at(s, e->name_at, e->name_n), name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	e = &s->head->entry[low - 1];
	*secret = text_at(s, e->secret_at, e->secret_n);
	return slice_eq(text_at(s, e->name_at, e->name_n), name);
}
