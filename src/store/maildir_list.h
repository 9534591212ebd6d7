/* store/maildir_list.h - what lies in new/ and cur/ of a Maildir, sorted
 *
 * Other programs rename, deliver and remove while the directories are read, and readdir(3) may then miss a file or show it
 * twice. A list says whether that may have happened; who uses it reads again until two lists agree. */
#pragma once
#include "store/driver.h"
#include "store/maildir_name.h"
#include "store/pile.h"

enum maildir_dir { DIR_NEW, DIR_CUR, DIRS };
extern const char maildir_dirs[DIRS][4];

/* "new/NAME" */
struct maildir_path {
	char text[sizeof maildir_dirs[0] + 1 + NAME_OCTETS];
};
void maildir_path(struct maildir_path *path, unsigned dir, struct slice name);

struct found {
	struct pile_text text; /* its name, and behind it, where the name does not begin with it, the stable name */
	uint64_t number, m, q, ino;
	uint16_t name_len;
	uint16_t stable_at, stable_len; /* in the text */
	uint8_t dir;
};

struct maildir_list {
	struct pile pile;
	struct found *found; /* of the pile: in the order of messages; those with one stable name stand together */
	size_t count;
	size_t hint, finds;         /* for maildir_list_find */
	struct stamp stamp[STAMPS]; /* of the directories before they were read */
	bool quiet;                 /* they were the same behind it */
	uint64_t fingerprint;       /* of the messages there are, whatever they are called */
};

/* Calls `each` for what may be a message in new/ or cur/ of the Maildir `fd`, until it says false: no memory. */
enum err maildir_each(int fd, unsigned dir, bool (*each)(void *arg, unsigned dir, uint64_t ino, struct slice name),
		      void *arg, struct why *why);

enum err maildir_stamp(int fd, struct stamp stamp[STAMPS], struct why *why);

/* Reads new/ and cur/ of the Maildir `fd` into an empty list. */
enum err maildir_list_read(struct maildir_list *l, int fd, struct why *why);

/* Or one by one. False: no memory. */
bool maildir_list_add(struct maildir_list *l, unsigned dir, uint64_t ino, struct slice name);
bool maildir_list_sort(struct maildir_list *l);
void maildir_list_done(struct maildir_list *l);

struct slice maildir_list_name(const struct maildir_list *l, const struct found *f);
struct slice maildir_list_stable(const struct maildir_list *l, const struct found *f);

/* Below, at or above 0: where in the order of messages f stands to what was parsed from a name. */
int maildir_list_compare(const struct maildir_list *l, const struct found *f, const struct maildir_name *n);
int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b);

/* The first with this stable name; NULL: there is none. `*end` is behind the last. Cheapest when it is asked for names in their order. */
const struct found *maildir_list_find(struct maildir_list *l, const struct maildir_name *n, const struct found **end);
