/* front/view.h - a session's view of its maildrop: the scan listing, and what the client has marked as deleted
 *
 * A small listing came with the login and is kept packed in the session's arena. A large one is a file: its records are
 * read through a window that all sessions share, one at a time, so that a listing costs its session nothing, whatever its
 * length. Every record is checked when it is read: the file may belong to a hostile user. */
#pragma once
#include "base/arena.h"
#include "front/file.h"
#include "ipc/catalogue.h"
#include "ipc/chan.h"
#include "mail/listing.h"

enum {
	WINDOW_RECORDS = 64, /* for a command about one message */
	AHEAD_RECORDS = 512, /* behind a window that was used to its end */
};

struct view {
	uint32_t count;          /* messages */
	uint32_t rules;          /* enum wire_rule */
	uint64_t octets;         /* of all together */
	uint32_t deleted;        /* messages */
	uint64_t deleted_octets; /* of these */
	uint64_t due;            /* as in msg_scan */
	uint8_t *bits;           /* a bit per message, message 1 is bit 0; NULL before the first DELE */
	uint8_t *
		whole; /* the same of those that were retrieved whole, where `expire 0' has them go at QUIT; NULL: none */
	struct entry *entries; /* a small listing; NULL: it is a file */
	char *uidls;           /* of a small listing: a length and so many octets, every `stride` */
	uint32_t stride;
	struct file file;
	struct listing_place records;
};

/* Part of somebody's large listing. Valid until another session needs it. */
struct window {
	const struct view *of;
	uint32_t first, n; /* msgno; records */
	struct listing_rec rec[AHEAD_RECORDS];
};

struct message {
	uint64_t pos; /* in the file of a maildrop that is one; of a small listing it is not kept: 0 */
	uint64_t raw, octets;
	uint32_t crc, lines;
	struct slice uidl; /* valid until the next view_message */
};

enum have {
	HAVE,
	HAVE_LATER,  /* it cannot be read without waiting: ask store, for view_fill */
	HAVE_BROKEN, /* the listing is not what it should be */
};

/* Takes what MSG_SCAN brings. ERR_TEMP: no memory. ERR_PERM: the message is broken. After a failure nothing is open. */
enum err view_open(struct view *v, struct arena *a, struct msg *m, struct why *why);
void view_close(struct view *v, struct window *w);

/* Message msgno, 1 to count. */
enum have view_message(const struct view *v, struct window *w, uint32_t msgno, struct message *out);

/* How many records from msgno on are worth asking for; what came for that question goes into the window.
 * False: these are not so many whole records. */
uint32_t view_want(const struct view *v, uint32_t msgno);
bool view_fill(const struct view *v, struct window *w, uint32_t msgno, struct slice records);

bool view_is_deleted(const struct view *v, uint32_t msgno);

/* False: no memory. Octets are those of the message. */
bool view_delete(struct view *v, struct arena *a, uint32_t msgno, uint64_t octets);
void view_undelete_all(struct view *v);

/* `expire 0': a message was retrieved whole. Without memory it stays on the server. */
void view_note_whole(struct view *v, struct arena *a, uint32_t msgno);

/* At QUIT: what was retrieved whole is deleted, too, whatever RSET has undone; bits are there behind it. False: no memory. */
bool view_settle(struct view *v, struct arena *a);
size_t view_bits_octets(const struct view *v);
