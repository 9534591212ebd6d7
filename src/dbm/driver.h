/* dbm/driver.h - a kind of key-value file: what a driver does for dbm/dbm.h
 *
 * dbm.c checks keys, values and the way a handle was opened before a driver is called; a driver checks what it reads with
 * dbm_is_text. A module (mod_NAME.so) has one driver, called dbm_module. */
#pragma once
#include "dbm/dbm.h"

struct dbm {
	const struct dbm_driver *driver;
	struct dbm_name name;
	struct dbm_how how;
	void *priv; /* the driver's */
};

struct dbm_driver {
	const char *scheme;
	enum err (*open)(struct dbm *db, struct why *why); /* after an error nothing is left open */
	enum err (*get)(struct dbm *db, struct slice key, struct buf *value, bool *found, struct why *why);
	enum err (*put)(struct dbm *db, struct slice key, struct slice value, struct why *why);
	enum err (*del)(struct dbm *db, struct slice key, bool *found, struct why *why);
	enum err (*walk)(struct dbm *db,
			 enum err (*fn)(void *arg, struct slice key, struct slice value, struct why *why), void *arg,
			 uint64_t *passed_over, struct why *why);
	enum err (*sync)(struct dbm *db, struct why *why);
	void (*close)(struct dbm *db);
};
extern const struct dbm_driver dbm_gdbm, dbm_lmdb, dbm_text;

/* dbm.c, lock.c: what drivers share. */

/* Whether a stored text can be a key (or a value). */
bool dbm_is_key(struct slice text);
bool dbm_is_value(struct slice text);

/* Appends a value that was found, if it is one. */
enum err dbm_take(const struct dbm *db, struct slice stored, struct buf *value, struct why *why);

/* Opens the file (as `how` says) and makes its checks; -1 after an error, which is in *err. */
int dbm_file_open(const struct dbm *db, enum err *err, struct why *why);

/* Opens it and takes a lock of flock(2) on it, shared for reading, within the time that there is; what is locked is what the path
 * leads to. -1 after an error. */
int dbm_file_lock(const struct dbm *db, enum err *err, struct why *why);

/* When waiting is over, and a pause before the next try; false: it is over. */
uint64_t dbm_deadline(const struct dbm *db);
bool dbm_pause(uint64_t deadline);

/* Whether an open file is what the path leads to. */
bool dbm_is_current(const struct dbm *db, int fd);

/* A new file beside the database, with its mode; its name is written to temp. -1 after an error. */
int dbm_file_beside(const struct dbm *db, char temp[PATH_MAX], struct why *why);

/* What errno means. */
enum err dbm_failed(const struct dbm *db, const char *what, struct why *why);
