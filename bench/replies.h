/* bench/replies.h - what is checked in each reply
 *
 * `first` functions see what stands behind +OK and its blank, `line` functions a further line, `end` functions come behind the last
 * one. False: it is wrong, and the dialogue says why. */
#pragma once
#include "dialogue.h"

bool replies_stat_first(struct dialogue *d, struct text rest);
bool replies_list_line(struct dialogue *d, struct text line);
bool replies_list_end(
	struct dialogue *d); /* as many as STAT said, as many octets, and the same as in earlier sessions */
bool replies_uidl_line(struct dialogue *d, struct text line);
bool replies_uidl_end(struct dialogue *d); /* the same in all sessions, and no two alike */
bool replies_retr_first(struct dialogue *d, struct text rest);
bool replies_retr_line(struct dialogue *d, struct text line);
bool replies_retr_end(struct dialogue *d); /* as large as LIST said, with the checksum that the header promises */
bool replies_dele_first(struct dialogue *d, struct text rest);

/* What LIST and UIDL must say in the session after this one, which deleted the first message of each two. */
void replies_expect_half(struct dialogue *d);
