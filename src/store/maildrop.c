/* store/maildrop.c - see maildrop.h */
#include "store/maildrop_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/wire.h"
#include "store/journal.h"
#include "store/mailutils_lock.h"
#include "store/replay.h"
#include "store/uidl_settle.h"

/* ---- what the configuration says ---- */

enum index_mode maildrop_index_mode(const struct conf *cf)
{
	const char *index = cf->mailbox.index;

	if (index && strcmp(index, "off") == 0)
		return INDEX_OFF;
	return index && strcmp(index, "auto") != 0 ? INDEX_DIR : INDEX_AUTO;
}

uint32_t maildrop_unquote(const struct conf *cf)
{
	static const uint32_t unquote[] = {
		[QUOTING_MBOXRD] = WIRE_UNQUOTE, [QUOTING_MBOXO] = WIRE_UNQUOTE_ONE, [QUOTING_NONE] = 0};

	return unquote[cf->mailbox.mbox_quoting];
}

/* ---- the index ---- */

void maildrop_places(const struct maildrop *md, struct index_place place[MAILDROP_PLACES])
{
	bool file = md->driver->in_one_file;

	place[MAILDROP_BESIDE].dir = md->setup->index != INDEX_AUTO ? -1 : file ? md->parent : md->fd;
	if (file)
		(void)snprintf(place[MAILDROP_BESIDE].name, sizeof place[MAILDROP_BESIDE].name, ".%s.pop3idx",
			       md->name);
	else
		(void)snprintf(place[MAILDROP_BESIDE].name, sizeof place[MAILDROP_BESIDE].name, "%s",
			       md->driver->index_name ? md->driver->index_name : ".pop3-index");
	place[MAILDROP_IN_DIR].dir = md->setup->index == INDEX_OFF ? -1 : md->setup->index_dir;
	(void)snprintf(place[MAILDROP_IN_DIR].name, sizeof place[MAILDROP_IN_DIR].name, "%016llx.pop3idx",
		       (unsigned long long)md->key);
}

/* A disk that is full is told of once in a while, not with every session. */
static void tell_homeless(const struct maildrop *md, const struct why *why)
{
	static uint64_t told_ms;
	uint64_t now_ms = clock_ms();

	if (told_ms != 0 && now_ms - told_ms < TELL_MS)
		return;
	told_ms = now_ms;
	log_line(LOG_NOTICE, "no index is kept of %.200s: %.200s", md->path, why->text);
}

int maildrop_put_index(const struct maildrop *md, const struct scan *now, int64_t taken_ns,
		       struct index_place place[MAILDROP_PLACES], struct why *why)
{
	int p = md->driver->in_one_file && md->fd < 0 ? MAILDROP_PLACES : 0;

	maildrop_places(md, place);
	while (p < MAILDROP_PLACES &&
	       (place[p].dir < 0 || index_write(&place[p], md->driver, now, taken_ns, why) != OK))
		p++;
	return p;
}

/* A listing without a place lives in memory. */
static enum err keep(struct maildrop *md, const struct scan *now, int64_t taken_ns, struct index_first *first,
		     struct why *why)
{
	struct index_place place[MAILDROP_PLACES];
	struct why reason = {""};
	bool current;
	int fd;

	int p = maildrop_put_index(md, now, taken_ns, place, &reason);

	if (p < MAILDROP_PLACES &&
	    index_open(&md->index, &place[p], md->driver, now->stamp, first, &current, &reason) == OK)
		return OK;
	if (reason.text[0])
		tell_homeless(md, &reason);
	enum err err = index_memfd(&fd, md->driver, now, taken_ns, why);

	return err == OK ? index_adopt(&md->index, fd, md->driver, now->stamp, first, &current, why) : err;
}

enum err maildrop_lock(struct maildrop *md, struct why *why)
{
	struct stat named, locked;

	if (!md->name || md->fd < 0)
		return OK;
	enum err err = spool_init(&md->spool, md->parent, md->name, md->setup->lock.locker, why);

	if (err == OK)
		err = mailbox_lock_try(&md->lock, &md->setup->lock, &md->spool, md->fd, why);
	if (err != OK)
		return err;
	if (fstat(md->fd, &locked) == 0 && fstatat(md->parent, md->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    named.st_ino == locked.st_ino && named.st_dev == locked.st_dev)
		return OK;
	mailbox_lock_release(&md->lock);
	return fail(why, ERR_IN_USE, "another program is putting another file in its place");
}

/* False: nothing was cleared, and the next session tries again. */
static bool undelete(const struct maildrop *md, const struct scan *now)
{
	struct why why = {""};
	struct event e;

	if (md->driver->unmark(md, now, &why) != OK) {
		log_line(LOG_NOTICE, "%.200s: deletion marks cannot be cleared: %.200s", md->path, why.text);
		return false;
	}
	event_new(&e, "undeleted");
	event_kv(&e, "maildrop", slice_str(md->path));
	event_u64(&e, "messages", now->marked);
	event_log(&e, LOG_INFO);
	return true;
}

bool maildrop_has_marks(const struct maildrop *md, const struct index *ix)
{
	return md->setup->undelete && ix->marks != 1;
}

void maildrop_decide_stamps(const struct maildrop *md, struct scan *s, bool known)
{
	uint32_t now = stamp_now();

	for (uint32_t i = 0; s->stamps_read && i < s->count; i++, scan_pass(i)) {
		if (!known && s->rec[i].flags & STAMP_READ && md->driver->came)
			stamp_came(&s->rec[i], md->driver->came(md, &s->rec[i], &s->entry[i]));
		stamp_decide(&s->rec[i], known, now);
	}
}

enum err maildrop_lock_begin(struct maildrop *md, struct why *why)
{
	return md->lock.held ? OK : maildrop_lock(md, why);
}

static void lock_end(struct maildrop *md)
{
	if (!md->keeps)
		mailbox_lock_release(&md->lock);
}

/* mandatory-locking: of a mailbox in one file, its own lock; of all others, and of those that are not locked, the file that Mailutils makes. */
static enum err lock_keep(struct maildrop *md, struct why *why)
{
	const struct conf_locking *conf = md->setup->lock.conf;
	const struct dotlock_rules rules = {
		.pid_check = conf->pid_check, .expire_s = conf->expire_timeout.n, .heir = getppid()};
	enum err err = OK;

	md->keeps = true;
	if (md->driver->in_one_file)
		err = maildrop_lock(md, why);
	if (err == OK && (!md->driver->in_one_file || conf->type == LOCK_NULL))
		err = mailutils_lock_take(&md->by_path, md->setup->mailutils_dir, md->path, &rules, why);
	return err;
}

void maildrop_let_go(struct maildrop *md)
{
	md->keeps = false;
	mailbox_lock_release(&md->lock);
	mailutils_lock_release(&md->by_path, md->setup ? md->setup->mailutils_dir : -1, md->path);
}

void maildrop_touch(const struct maildrop *md)
{
	if (md->keeps && md->by_path.fd >= 0)
		(void)futimens(md->by_path.fd, NULL); /* or it is old: those who look at its number know */
	if (md->keeps && md->lock.dotlock && md->lock.file.fd >= 0)
		(void)futimens(md->lock.file.fd, NULL);
}

static enum err rescan(struct maildrop *md, struct scan *known, bool is_known, struct index_first *first,
		       struct why *why)
{
	struct scan now = {0};
	int64_t taken_ns = clock_wall_ns();
	enum err err = md->driver->scan(md, known, &now, why);

	if (err == OK && md->setup->undelete && now.marked > 0 && undelete(md, &now)) {
		/* Who has which UIDL is known, but not how the mail looks. */
		memset(known->stamp, 0, sizeof known->stamp);
		scan_done(&now);
		taken_ns = clock_wall_ns();
		err = md->driver->scan(md, known, &now, why);
	}
	maildrop_decide_stamps(md, &now, is_known);
	if (err == OK)
		err = uidl_settle(md, &now, why);
	if (err == OK)
		err = keep(md, &now, taken_ns, first, why);
	scan_done(&now);
	return err;
}

/* The lock of a worker that was killed: not every deliverer sees that its process is gone, and with an index that is current nobody of
 * us would need it. Whoever opens the maildrop next takes it away; one that somebody holds is left alone: where that is a process that it
 * names, it may be a session of Mailutils, and is waited for; others are deliverers, which do not hold up reading. */
static enum err sweep_lock(struct maildrop *md, struct why *why)
{
	char lock[NAME_OCTETS + sizeof ".lock"];
	struct stat st;

	/* The external locker knows what its locks are worth, and a current index needs none. */
	if (!md->name || md->setup->lock.external || snprintf(lock, sizeof lock, "%s.lock", md->name) < 0 ||
	    fstatat(md->parent, lock, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return OK;
	enum err err = maildrop_lock_begin(md, why);

	lock_end(md);
	return err == ERR_IN_USE && dotlock_process(md->parent, lock) > 0 ? err : OK;
}

/* A maildrop that only grew: the index that lies at `place` does, too. False: it must be scanned. */
static bool grow(struct maildrop *md, const struct index_place *place, const struct index *old,
		 struct index_first *first)
{
	int64_t taken_ns = clock_wall_ns();
	struct scan more = {0};
	bool grown = false, current;

	if (!md->driver->grow || md->driver->grow(md, old, &more, &grown, NULL) != OK)
		grown = false;
	maildrop_decide_stamps(md, &more, true);
	grown = grown && !(md->setup->undelete && more.marked > 0) && uidl_settle_more(md, &more) &&
		index_append(place, old, md->driver, &more, taken_ns, NULL) == OK &&
		index_open(&md->index, place, md->driver, more.stamp, first, &current, NULL) == OK;
	scan_done(&more);
	return grown;
}

/* The maildrop may have changed since `old`, if there is one, was taken; it lies at `place`. */
static enum err catch_up(struct maildrop *md, const struct index_place *place, const struct index *old,
			 struct index_first *first, struct why *why)
{
	struct scan known = {0};

	if (old->fd >= 0 && !maildrop_has_marks(md, old) && grow(md, place, old, first))
		return OK;
	bool is_known = old->fd >= 0 && !(md->setup->undelete && old->marks == 0) && /* no mark in it is known */
			index_load(old, &known, NULL) == OK;                         /* or nothing is known */
	enum err err = rescan(md, &known, is_known, first, why);

	scan_done(&known);
	return err;
}

static enum err open_indexed(struct maildrop *md, struct index_first *first, struct why *why)
{
	struct index_place place[MAILDROP_PLACES];
	struct stamp stamp[STAMPS];
	struct index old = {.fd = -1};
	bool current = false;
	int at = 0;
	enum err err = md->driver->stamp(md, stamp, why);

	if (err != OK)
		return err;
	maildrop_places(md, place);
	for (int p = 0; p < MAILDROP_PLACES && old.fd < 0; p++)
		if (place[p].dir >= 0 &&
		    index_open(&old, &place[p], md->driver, stamp, first, &current, NULL) == OK) /* or none */
			at = p;
	current = current && !maildrop_has_marks(md, &old);
	debug(TOPIC_MAILBOX, DEBUG_TRACE2, "%s: %s", md->path,
	      current       ? "the index is current"
	      : old.fd >= 0 ? "has changed since its index was taken: scanning"
			    : "has no index: scanning");
	if (current) {
		err = sweep_lock(md, why);
		if (err != OK) {
			index_close(&old);
			return err;
		}
		md->index = old;
		md->index_at = at;
		maildrop_note(md, first);
		return OK;
	}
	err = maildrop_lock_begin(md, why);
	if (err == OK)
		err = catch_up(md, &place[at], &old, first, why);
	lock_end(md);
	index_close(&old);
	return err;
}

enum err maildrop_prepare(struct maildrop *md, struct why *why)
{
	enum err err = mailutils_lock_look(md->setup->mailutils_locks, md->path, why);

	if (err == OK && md->driver->in_one_file)
		err = maildrop_reopen(md, why);
	if (err == OK && md->driver->in_one_file && md->fd >= 0)
		err = replay_file(md->setup, md->fd, why);
	return err;
}

enum err maildrop_open(struct maildrop *md, struct index_first *first, struct why *why)
{
	errno = 0;
	enum err err = md->warm ? maildrop_look_again(md, first, why) : OK;

	if (err == OK)
		err = md->warm ? mailutils_lock_look(md->setup->mailutils_locks, md->path, why)
			       : maildrop_prepare(md, why);
	if (err == OK && md->setup->mandatory)
		err = lock_keep(md, why);
	if (err == OK)
		err = md->warm ? sweep_lock(md, why) : open_indexed(md, first, why);
	if (err != OK)
		maildrop_let_go(md);
	maildrop_advise(err, why);
	return err;
}

static enum err scan_locked(struct maildrop *md, const struct scan *known, struct scan *now, struct why *why)
{
	enum err err = maildrop_lock(md, why);

	if (err == OK)
		err = md->driver->scan(md, known, now, why);
	if (err == OK)
		err = uidl_settle(md, now, why);
	mailbox_lock_release(&md->lock);
	return err;
}

enum err maildrop_scan(struct maildrop *md, struct scan *now, struct why *why)
{
	struct index_place place[MAILDROP_PLACES];
	struct index_first *first = calloc(1, sizeof *first);
	struct scan known = {0};
	bool current;
	enum err err = first ? OK : fail(why, ERR_TEMP, "no memory");

	if (err == OK && md->driver->in_one_file)
		err = maildrop_reopen(md, why);
	if (err == OK && md->driver->in_one_file && md->fd >= 0)
		err = replay_file(md->setup, md->fd, why);
	if (err == OK)
		err = md->driver->stamp(md, now->stamp, why);
	maildrop_places(md, place);
	for (int p = 0; err == OK && p < MAILDROP_PLACES && known.count == 0; p++) {
		struct index old = {.fd = -1};

		if (place[p].dir >= 0 &&
		    index_open(&old, &place[p], md->driver, now->stamp, first, &current, NULL) == OK)
			(void)index_load(&old, &known, NULL); /* or nothing is known */
		index_close(&old);
	}
	if (err == OK)
		err = scan_locked(md, &known, now, why);
	scan_done(&known);
	free(first);
	return err;
}

/* The mail is not what the index says, and its stamps do not show it. */
void maildrop_forget(const struct maildrop *md)
{
	struct index_place place[MAILDROP_PLACES];

	maildrop_places(md, place);
	for (int p = 0; p < MAILDROP_PLACES; p++)
		index_drop(&place[p]);
}
