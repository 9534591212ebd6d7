/* tests/store/box.h - a maildrop in a directory of its own, and what other programs do to it */
#pragma once
#include "store/maildrop.h"

struct box {
	char top[64];  /* removed with everything in it */
	char path[80]; /* of the maildrop */
	struct maildrop_setup setup;
	struct conf_locking locking;
	struct maildrop md;
	struct index_first first;
	struct why why;
};

/* From here on they lie in memory, where there is such a file system: for tests that make thousands of states. Nothing is logged. What is left
 * of any, also by processes that were forked and killed, goes when this one ends. */
void box_in_memory(void);

/* A new Maildir, without mail. */
void box_new(struct box *b);

/* A new MH folder, without mail. */
void box_new_mh(struct box *b);

/* The same, where what is deleted leaves nothing. */
void box_new_mh_without(struct box *b);

/* The number behind the last one: whoever delivers takes it. */
unsigned box_mh_next(const struct box *b);
void box_mh_deliver(const struct box *b, const char *text);

/* A new mbox, without mail. */
void box_new_mbox(struct box *b);

/* A new dotmail mailbox, without mail. */
void box_new_dotmail(struct box *b);

/* All octets of the mbox, as a string that is valid until the next call; or anew, in the same file; or more at its end. */
const char *box_mbox(const struct box *b);
void box_write(const struct box *b, const char *text);
void box_append(const struct box *b, const char *text);
void box_free(struct box *b);

/* Finds and opens it again. */
enum err box_open(struct box *b);
void box_close(struct box *b);

/* Files of the maildrop: "new/NAME". */
void box_put(const struct box *b, const char *name, const char *text);
void box_rename(const struct box *b, const char *from, const char *to);
void box_remove(const struct box *b, const char *name);
bool box_has(const struct box *b, const char *name);
unsigned box_count(const struct box *b, const char *dir);

/* The message at position i of the open maildrop; i is below its count. */
void box_message(const struct box *b, uint32_t i, struct message *m);

/* Its stored octets, as a string; "" when it cannot be had. Valid until the next call. */
const char *box_text(struct box *b, uint32_t i);

/* The same without the header that has its stamp, and those with flags and numbers; *stamped: it is there. */
const char *box_text_bare(struct box *b, uint32_t i, bool *stamped);

/* Headers with stamps are written from here on (`expire-mark header'). */
void box_write_stamps(struct box *b);

/* And flags (`update-flags yes'). */
void box_write_flags(struct box *b);

/* Deletes those whose letter in `marks` is 'd'. */
enum err box_commit(struct box *b, const char *marks, struct outcome *out);
