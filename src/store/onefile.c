/* store/onefile.c - a message of a mailbox in one file: where it is. See onefile.h */
#include "store/onefile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err onefile_head(int fd, struct onefile_head *head, struct why *why)
{
	struct stat st;

	head->is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	head->n = 0;
	if (!head->is)
		return OK;
	ssize_t got = pread(fd, head->text, sizeof head->text, 0);

	if (got < 0)
		return fail_errno(why, storage_err(errno), "read the mailbox");
	head->octets = (uint64_t)st.st_size;
	head->n = (size_t)got;
	return OK;
}

enum err onefile_stamps(const struct maildrop *md, struct stamp stamp[STAMPS], struct why *why)
{
	return onefile_stamp(md->fd, md->rules, stamp, why);
}

/* ---- where a message is ---- */

/* The file was rewritten under the session: where its messages are now. Kept until that ends, since a client that walks through its mail
 * asks once for each. One at a time in a process. */
static struct {
	uint64_t key; /* of the maildrop */
	struct scan now;
	uint32_t hint; /* where the last one was found, or behind it */
} moved;

static enum err scan_moved(const struct maildrop *md, int fd, const struct stamp now[STAMPS], struct why *why)
{
	struct scan known = {0}, found = {0};

	if (moved.key == md->key && memcmp(moved.now.stamp, now, sizeof moved.now.stamp) == 0)
		return OK;
	enum err err = index_load(&md->index, &known, why);

	if (err == OK)
		err = onefile_find(fd, md->driver->in_one_file, md->rules, &known, false, &found, NULL, why);
	scan_done(&known);
	if (err != OK) {
		scan_done(&found);
		return err;
	}
	scan_done(&moved.now);
	moved.key = md->key;
	moved.now = found;
	moved.hint = 0;
	return OK;
}

/* The same octets; one whose headers were rewritten is the same message, but not what was listed. */
static bool is_the_same(const struct message *m, uint32_t i)
{
	const struct listing_rec *r = &moved.now.rec[i];

	return moved.now.entry[i].id == m->entry.id && r->crc == m->rec.crc && r->raw == m->rec.raw &&
	       uidl_same(r, &m->rec);
}

static enum err find_moved(const struct maildrop *md, const struct message *m, struct body *b,
			   const struct stamp now[STAMPS], struct why *why)
{
	enum err err = scan_moved(md, b->fd, now, why);
	uint32_t n = moved.now.count;

	for (uint32_t k = 0; err == OK && k < n; k++) {
		uint32_t i = (uint32_t)(((uint64_t)moved.hint + k) % n);

		room_pass(k);
		if (!is_the_same(m, i))
			continue;
		moved.hint = i + 1;
		b->at = moved.now.rec[i].pos;
		return OK;
	}
	return err != OK ? err : fail(why, ERR_TEMP, "a message has been removed or changed by another program");
}

static bool is_at(int fd, uint64_t at, const struct listing_rec *r)
{
	static char piece[64 * 1024];
	uint32_t crc = 0;

	for (uint64_t done = 0; done < r->raw;) {
		size_t want = r->raw - done < sizeof piece ? (size_t)(r->raw - done) : sizeof piece;
		ssize_t got = text_at(fd, piece, want, at + done);

		if (got <= 0)
			return false;
		crc = listing_crc(crc, (struct slice){piece, (size_t)got});
		done += (uint64_t)got;
	}
	return crc == r->crc;
}

static bool is_there(int fd, const struct onefile_format *f, const struct listing_rec *rec, const struct scan_entry *e,
		     bool grows)
{
	return f->begins(fd, (uint64_t)e->at) && is_at(fd, rec->pos, rec) && f->ends(fd, rec->pos + rec->raw, grows);
}

bool onefile_is_at(int fd, const struct onefile_format *f, const struct listing_rec *rec, const struct scan_entry *e)
{
	return is_there(fd, f, rec, e, false);
}

/* By its place where the file is as it was; by its place and checksum where it may have grown; else by what it is. */
enum err onefile_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	struct stamp now[STAMPS];
	enum err err;

	*out = (struct body){.at = m->rec.pos, .octets = m->rec.raw, .same = true};
	out->fd = openat(md->parent, md->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (out->fd < 0)
		return fail_errno(why, storage_err(errno), "open the mailbox");
	err = onefile_stamp(out->fd, md->rules, now, why);
	if (err == OK && memcmp(now, md->index.stamp, sizeof now) != 0 &&
	    !is_there(out->fd, md->driver->in_one_file, &m->rec, &m->entry,
		      true)) /* no lock keeps others from appending */
		err = find_moved(md, m, out, now, why);
	if (err == OK)
		return OK;
	close(out->fd);
	out->fd = -1;
	return err;
}

void onefile_forget(const struct maildrop *md)
{
	if (moved.key == md->key)
		scan_done(&moved.now);
}
