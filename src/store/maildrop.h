/* store/maildrop.h - one user's mail as a session sees it
 *
 * Everything that does not depend on the format: finding out what there is, the index, checksums of what is sent. A
 * session looks for its maildrop, takes the session lock on its key, opens it, and closes it; what it shows is fixed
 * between open and close, whatever other programs do to the mail. Of a maildrop at rest there is a path and two descriptors in
 * memory. */
#pragma once
#include "store/index.h"

enum index_mode { INDEX_AUTO, INDEX_OFF, INDEX_DIR };

/* What the configuration says, for all maildrops of a process. */
struct maildrop_setup {
	const char *type;      /* scheme for what does not exist yet */
	enum index_mode index; /* beside the mail if that can be; none kept; in index_dir only */
	int index_dir;         /* borrowed; -1: none */
};

struct maildrop {
	const struct maildrop_setup *setup; /* borrowed */
	const struct store_driver *driver;
	char *path;          /* owned */
	int fd;              /* O_PATH; owned */
	uint64_t key;        /* of the session lock: the same for all names of the maildrop */
	struct index index;  /* of an open maildrop */
	struct body reading; /* of message reading_msgno, while front reads it through us */
	uint32_t reading_msgno;
};

/* Finds, or creates, what `url` names; nothing of the mail is looked at. On failure there is nothing to close. */
enum err maildrop_find(struct maildrop *md, struct slice url, const struct maildrop_setup *setup, struct why *why);

/* Under the session lock. *first gets what a small listing needs. On failure it is as it was. */
enum err maildrop_open(struct maildrop *md, struct index_first *first, struct why *why);

/* Whole messages as they are stored, appended one behind the other: `msgno` if it fits, and those behind it while they fit and are
 * at most `octets` together. *count of them. One that does not fit: count 0, and *body says where it is; the caller owns
 * its fd. A message whose checksum is wrong is never handed out. */
enum err maildrop_fetch(struct maildrop *md, uint32_t msgno, uint32_t octets, struct buf *out, uint32_t *count,
			struct body *body, struct why *why);

/* Appends `octets` of a stored message; *within is false, and nothing is done, where the message does not have them. */
enum err maildrop_read(struct maildrop *md, uint32_t msgno, uint64_t at, uint32_t octets, struct buf *out, bool *within,
		       struct why *why);

/* Deletes; see struct store_driver. */
enum err maildrop_commit(struct maildrop *md, const struct changes *ch, struct outcome *out, struct why *why);

/* Changes no mail. */
void maildrop_close(struct maildrop *md);

/* For drivers: the messages of `ch`, one after the other. False: no more. A message that cannot be read from the index is
 * counted with *err set. A walk begins as {0}. */
struct changes_walk {
	uint32_t next, from, n;
};
bool changes_next(const struct maildrop *md, const struct changes *ch, struct changes_walk *walk, struct message *m,
		  enum err *err, struct why *why);
