/* front/transfer.h - a message on its way to the client (RETR, TOP)
 *
 * The raw octets come from memory (what store sent with MSG_BODY, perhaps with the messages behind it), from a file that it
 * handed over (which holds the messages behind it, too, where the maildrop is one file), or piece by piece from store where
 * that file cannot be read without waiting. They are converted into the output buffer as the socket takes it. The checksum of what was read must be that of the scan listing: else
 * the connection is closed before the terminating line, so that no wrong message is ever completed. */
#pragma once
#include "front/file.h"
#include "front/next.h"
#include "front/view.h"
#include "ipc/catalogue.h"
#include "ipc/chan.h"
#include "mail/wire.h"

struct session;

enum { CHUNK_OCTETS = 32 * 1024 }; /* raw octets of a large message read from a file, or asked of store, at a time */

struct transfer {
	struct wire wire;
	uint64_t raw, octets; /* of the message: what the listing says */
	uint64_t done;        /* raw octets so far */
	uint32_t crc, crc_so_far;
	bool is_checked; /* it is in memory, and its checksum was right */
	uint32_t msgno;
	bool is_top;
	bool is_preview; /* of less than the whole body */
	struct file file;
	uint64_t file_at;   /* where the message begins in it */
	uint32_t walk_end;  /* msgno of the last one that is in it, where its record says; 0: none is but this one */
	struct slice body;  /* raw octets in memory, from here on */
	char *body_kept;    /* owned: where they are; NULL: in the message that is being handled */
	size_t body_octets; /* of body_kept */
	uint32_t ahead;     /* msgno to which `body` belongs when none is under way; 0: to none */
};

void transfer_init(struct transfer *t);
void transfer_done(struct session *s);

/* Starts to send a message; body_lines as for wire_init. Returns what a command returns. */
enum next transfer_start(struct session *s, uint32_t msgno, const struct message *m, bool is_top, uint64_t body_lines);

/* Goes on with it: s->more. */
enum next transfer_more(struct session *s);

/* Store's answers. False: the message is broken, its channel is to be closed. Then session_run goes on. */
bool transfer_body(struct session *s, struct msg *m);
bool transfer_octets(struct session *s, const struct msg *m);

/* Behind session_run: keeps octets that belong to the message being handled, before they go. */
void transfer_keep(struct session *s);
