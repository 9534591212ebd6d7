/* store/bulletin_source.c - see bulletin_source.h */
#include "store/bulletin_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/dotlock.h"
#include "store/lock.h"

static const int64_t calm_ns = INT64_C(2) * 1000000000; /* behind a change, the next one shows in the times */
static const int64_t lock_ns =
	INT64_C(15) * 60 * 1000000000; /* a lock of a process that is not to be seen counts so long */

/* Maildirs are told by two directories, others by one thing. */
static const char *const parts[] = {"/new", "/cur"};

void bulletin_source_init(struct bulletin_source *s, const char *url, const struct maildrop_setup *setup)
{
	*s = (struct bulletin_source){.url = url, .setup = *setup};
	s->setup.read_only = true;
}

/* ---- how it looks from outside ---- */

static bool look(const char *path, struct stamp *stamp)
{
	struct stat st;

	*stamp = (struct stamp){0};
	if (!path[0])
		return true;
	if (stat(path, &st) < 0)
		return false;
	*stamp = (struct stamp){.dev = st.st_dev,
				.ino = st.st_ino,
				.size = (uint64_t)st.st_size,
				.mtime_ns = storage_ns(st.st_mtim),
				.ctime_ns = storage_ns(st.st_ctim)};
	return true;
}

static bool is_calm(const struct stamp *stamp, int64_t now_ns)
{
	int64_t last = stamp->mtime_ns > stamp->ctime_ns ? stamp->mtime_ns : stamp->ctime_ns, since;

	return __builtin_sub_overflow(now_ns, last, &since) || since > calm_ns;
}

bool bulletin_is_calm(const struct stat *st)
{
	const struct stamp stamp = {.mtime_ns = storage_ns(st->st_mtim), .ctime_ns = storage_ns(st->st_ctim)};

	return is_calm(&stamp, clock_wall_ns());
}

static bool is_the_same(const struct bulletin_source *s)
{
	bool same = s->known && s->calm;

	for (int i = 0; i < SOURCE_PATHS && same; i++) {
		struct stamp now;

		same = look(s->path[i], &now) && memcmp(&now, &s->stamp[i], sizeof now) == 0;
	}
	return same;
}

/* Before it is read. False: it is gone. */
static bool remember(struct bulletin_source *s, const struct maildrop *md)
{
	bool maildir = md->driver == &maildir_driver, there = true;
	int64_t now_ns = clock_wall_ns();

	s->calm = true;
	for (int i = 0; i < SOURCE_PATHS; i++) {
		const char *part = maildir ? parts[i] : "";
		int n = i > 0 && !maildir ? 0 : snprintf(s->path[i], PATH_MAX, "%s%s", md->path, part);

		if (n <= 0 || n >= PATH_MAX)
			s->path[i][0] = '\0';
		there = there && n < PATH_MAX && look(s->path[i], &s->stamp[i]);
		s->calm = s->calm && there && is_calm(&s->stamp[i], now_ns);
	}
	return there;
}

/* ---- its lock ---- */

/* What has NAME.lock is not to be seen by everybody, so one that is old says nothing. */
static bool is_dotlocked(const struct maildrop *md)
{
	char name[NAME_OCTETS + sizeof ".lock"];
	struct stat st;
	int64_t since;

	if (snprintf(name, sizeof name, "%s.lock", md->name) < 0 ||
	    fstatat(md->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return dotlock_process(md->parent, name) > 0 ||
	       __builtin_sub_overflow(clock_wall_ns(), storage_ns(st.st_mtim), &since) || since < lock_ns;
}

/* Shared, for whoever reads; it goes with the descriptor. */
static enum err lock_shared(const struct maildrop *md, struct why *why)
{
	struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (!md->driver->in_one_file)
		return OK;
	if (is_dotlocked(md))
		return fail(why, ERR_IN_USE, "another program has %.100s.lock", md->name);
	if (fcntl(md->fd, F_OFD_SETLK, &all) < 0 && (errno == EAGAIN || errno == EACCES))
		return fail(why, ERR_IN_USE, "another program has locked it by fcntl");
	return OK; /* where nobody can lock, nobody does */
}

/* ---- ids ---- */

uint64_t bulletin_mix(uint64_t id)
{
	id += UINT64_C(0x9E3779B97F4A7C15);
	id = (id ^ id >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	id = (id ^ id >> 27) * UINT64_C(0x94D049BB133111EB);
	return id ^ id >> 31;
}

struct place {
	uint64_t key;
	uint32_t at;
};

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

static bool key_of(const struct bulletin_reading *r, uint32_t i, uint64_t *key)
{
	uint64_t sub;

	*key = r->scan.entry[i].id;
	return !r->md.driver->lasting ||
	       r->md.driver->lasting(&r->scan.rec[i], &r->scan.entry[i], scan_name(&r->scan, i), key, &sub);
}

/* Of those with one key, in their order: the key, and others that are computed of it. */
static bool set_ids(struct bulletin_reading *r)
{
	uint32_t n = r->scan.count, copy = 0;
	struct place *place = calloc((size_t)n + 1, sizeof *place);
	bool ok = place && room_grow(&r->ids, ((size_t)n + 1) * sizeof *r->id);

	r->id = (void *)r->ids.p;
	for (uint32_t i = 0; ok && i < n; i++) {
		place[i].at = i;
		ok = key_of(r, i, &place[i].key);
	}
	if (ok && n > 0)
		qsort(place, n, sizeof *place, by_key);
	for (uint32_t i = 0; ok && i < n; i++) {
		copy = i > 0 && place[i].key == place[i - 1].key ? copy + 1 : 0;
		r->id[place[i].at] = copy == 0 ? place[i].key : bulletin_mix(place[i].key + copy);
	}
	free(place);
	return ok;
}

/* ---- reading ---- */

static void place_of(const struct maildrop *md, struct index_place *place)
{
	bool file = md->driver->in_one_file;
	struct stat st = {0};

	(void)fstat(file ? md->parent : md->fd, &st); /* or it has the place of another: it is of no use then */
	uint64_t key =
		file ? lock_key_named(st.st_dev, st.st_ino, slice_str(md->name)) : lock_key(st.st_dev, st.st_ino);

	place->dir = md->setup->index == INDEX_OFF ? -1 : md->setup->index_dir;
	(void)snprintf(place->name, sizeof place->name, "bulletins-%016llx.pop3idx", (unsigned long long)key);
}

/* What was known is read again only where it has changed. */
static enum err read_all(struct bulletin_reading *r, struct why *why)
{
	static struct index_first first;
	struct index ix = {.fd = -1};
	struct index_place place;
	struct stamp stamp[STAMPS];
	struct scan known = {0};
	bool current = false;
	int64_t taken_ns = clock_wall_ns();
	enum err err = r->md.driver->stamp(&r->md, stamp, why);

	if (err != OK)
		return err;
	place_of(&r->md, &place);
	if (place.dir >= 0 && index_open(&ix, &place, r->md.driver, stamp, &first, &current, NULL) == OK)
		current = index_load(&ix, &known, NULL) == OK && current;
	index_close(&ix);
	if (current) {
		r->scan = known;
		return OK;
	}
	err = r->md.driver->scan(&r->md, &known, &r->scan, why);
	if (err == OK && place.dir >= 0)
		(void)index_write(&place, r->md.driver, &r->scan, taken_ns, NULL); /* slower without */
	scan_done(&known);
	return err;
}

/* Who is to read it must be let: what to do is said with the error. */
static void advise(const char *url, enum err err, int error, struct why *why)
{
	size_t n = strlen(why->text);

	if (err == ERR_PERM && error == EACCES)
		(void)snprintf(why->text + n, sizeof why->text - n,
			       "; all users must be able to read it: chmod -R a+rX %.120s may help",
			       strchr(url, '/') ? strchr(url, '/') : url);
}

enum err bulletin_source_open(struct bulletin_source *s, struct bulletin_reading *r, struct why *why)
{
	*r = (struct bulletin_reading){.md = MAILDROP_CLOSED};
	errno = 0;
	s->known = false;
	enum err err = maildrop_find_source(&r->md, slice_str(s->url), &s->setup, why);

	if (err == OK)
		err = lock_shared(&r->md, why);
	if (err == OK && !remember(s, &r->md))
		err = fail_errno(why, ERR_TEMP, "stat");
	if (err == OK)
		err = read_all(r, why);
	advise(s->url, err, errno, why);
	if (err == OK && !set_ids(r))
		err = fail(why, ERR_TEMP, "no memory for a list of bulletins");
	if (err != OK) {
		bulletin_source_close(r);
		return err;
	}
	s->count = r->scan.count;
	s->sum = s->count;
	for (uint32_t i = 0; i < s->count; i++)
		s->sum += bulletin_mix(r->id[i]);
	s->sum += s->sum == 0;
	s->known = true;
	return OK;
}

void bulletin_source_close(struct bulletin_reading *r)
{
	scan_done(&r->scan);
	room_done(&r->ids);
	maildrop_close(&r->md);
}

enum err bulletin_source_look(struct bulletin_source *s, struct why *why)
{
	struct bulletin_reading r;

	if (is_the_same(s))
		return OK;
	enum err err = bulletin_source_open(s, &r, why);

	if (err == OK)
		bulletin_source_close(&r);
	return err;
}
