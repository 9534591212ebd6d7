/* front/reply.h - the texts of replies
 *
 * They are appended to the session's output, in which session_run has made room for REPLY_MOST octets before. */
#pragma once
#include "base/slice.h"
#include "base/why.h"
#include "mail/listing.h"

struct message;

/* "+OK" or "+OK text"; "-ERR text". */
void reply_ok(struct buf *out, const char *text);
void reply_err(struct buf *out, const char *text);

/* "[AUTH]", ...: the response code for `err`. */
const char *reply_code_text(enum err err);

/* "-ERR [CODE] text" with the response code and the text for `err`: no login. */
void reply_code(struct buf *out, enum err err);

/* The same, of a login; maildrop: it is the maildrop that is not to be had. */
void reply_denial(struct buf *out, enum err err, bool maildrop);
/* The same where the maildrop is open: it cannot be read, or its deletions cannot be made. */
void reply_unreadable(struct buf *out, enum err err);
void reply_not_removed(struct buf *out, enum err err);

/* "+OK before N after". */
void reply_number(struct buf *out, const char *before, uint64_t n, const char *after);
/* "+OK before N between M after". */
void reply_numbers(struct buf *out, const char *before, uint64_t n, const char *between, uint64_t m, const char *after);

/* Lines of the scan listing (RFC 1939, section 5) and of the unique-id listing (section 7), or the replies with one
 * of them: `before` is "+OK ", or nothing. False: there may be no room, nothing is written. */
bool reply_scan_line(struct buf *out, struct slice before, uint32_t msgno, const struct message *m, bool with_lines);
bool reply_uidl_line(struct buf *out, struct slice before, uint32_t msgno, const struct message *m);
