/* dbm/undo.h - a put into a gdbm file that was not finished is undone
 *
 * A put that needs space changes several places of the file, one write after the other: the record, the bucket, the directory, the
 * header. Before it begins, what is in these places is written to a file beside the database, .NAME.pop3d-undo, which is removed behind it. Whoever opens
 * the database next, under its lock, and finds that file puts all of it back. So the file is as it was before a put that was cut off.
 *
 * The places are found by the layout of the file, which is that of gdbm 1.8 to 1.23. Where it is another, where no file can be made
 * beside, or the file was changed by others since, nothing is written, and nothing put back. */
#pragma once
#include "dbm/driver.h"

/* Notes the places that a put or a delete of this key may change. *noted: undo_forget is to be called behind it. An error: nothing may be written,
 * since it could not be undone. A value that fits into the place of the old one needs no note. */
enum err undo_note(const struct dbm *db, int fd, struct slice key, const struct slice *value, bool *noted,
		   struct why *why);
void undo_forget(const struct dbm *db);

/* Puts back what a note says, where there is one. fd: opened for writing, and locked for us alone. */
enum err undo_apply(const struct dbm *db, int fd, struct why *why);

/* Whether there is a note. */
bool undo_is_there(const struct dbm *db);
