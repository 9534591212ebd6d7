/* store/marks.h - deletion marks that other programs have stored with messages: seen in scans, and taken away where `undelete' says so
 *
 * Such a mark is the letter D in a header Status (mbox, dotmail, MH), or the flag T in a name (Maildir). It means nothing here: the message is
 * shown like others and stays, for nothing is deleted that a client has not asked for. Programs that purge by it do not find it any more
 * when it has been cleared. */
#pragma once
#include "base/slice.h"
#include "base/why.h"

/* A line of a header, a Status, has it. */
bool marks_has(struct slice line);

/* Clears it in the header of the message of `raw` octets at `pos`: the letter becomes an O ("has been seen"), which is an octet in its place. So each
 * write is whole or not there, whatever dies when, and nothing moves. The caller syncs. */
enum err marks_clear(int fd, uint64_t pos, uint64_t raw, struct why *why);
