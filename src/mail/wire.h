/* mail/wire.h - from octets as they are stored to octets on the wire
 *
 * The one place that knows how a stored message becomes what RETR sends: lines end in CRLF, the server's own
 * bookkeeping headers are left out, mbox quoting is undone, dots are stuffed (RFC 1939, section 3). Store uses it to
 * count, front to send, so that LIST and RETR cannot disagree.
 *
 * Rules to the octet: LF and CRLF both become CRLF; a CR elsewhere, NUL and 8-bit octets pass
 * unchanged; a last line without its end gets one; the header ends at the first empty line or at the
 * end of the message, and where it has no such line none is invented; a hidden header goes with its continuation
 * lines. Streaming: a struct wire holds the state between
 * pieces of a message and never more than a header name of text. */
#pragma once
#include "base/slice.h"

enum wire_rule {
	WIRE_HIDE_UIDL = 1,   /* X-UIDL, X-Expire-Timestamp: all formats */
	WIRE_HIDE_STATUS = 2, /* Status, X-Status, X-Keywords, X-UID, X-IMAP, X-IMAPbase: mbox, MH, dotmail */
	WIRE_UNQUOTE = 4,     /* one > less before From_ lines, however many there are: mboxrd */
	WIRE_UNQUOTE_ONE = 8, /* the same where there is just one: mboxo */
	WIRE_UNDOT = 16,      /* one dot less before lines of the body that begin with one: dotmail */
	WIRE_RULES = 31,
};

#define WIRE_ALL_LINES UINT64_MAX

struct wire {
	uint32_t rules;
	uint64_t body_left; /* lines of the body that may still be sent: TOP */
	uint64_t octets;    /* so far, before dot-stuffing: what LIST shows when all is through */
	uint64_t lines;     /* so far, header and body: XLINES */
	/* private to wire.c */
	uint8_t state;
	uint8_t held_len;
	bool in_body;
	char held[32];
};

/* body_lines: of a TOP (RFC 1939, section 7: it may exceed the body), WIRE_ALL_LINES for RETR. */
void wire_init(struct wire *w, uint32_t rules, uint64_t body_lines);

/* Takes from `in` as much as `out` has room for and appends it, dot-stuffed. Returns the octets taken: less than in.n
 * when out is (nearly) full; the caller empties it and comes again. Out needs 64 octets of room to get on. */
size_t wire_put(struct wire *w, struct slice in, struct buf *out);

/* Behind the last octet: appends what was held and the end of an unfinished line. False: no room, come again. */
bool wire_end(struct wire *w, struct buf *out);

/* The TOP has all its lines: the rest of the message need not be read. */
bool wire_is_full(const struct wire *w);

/* wire_put and wire_end without output, at memory speed. */
void wire_count(struct wire *w, struct slice in);
void wire_count_end(struct wire *w);
