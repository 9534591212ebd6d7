/* store/mh_deliver.c - what we put into an MH folder: made beside, synced, and linked to the next number. See delivery.h
 *
 * As rcvstore(1) does it: whoever finds his number taken takes the next one. */
#include <stdio.h>
#include <string.h>

#include "store/delivery.h"
#include "store/mh.h"

static enum err new_name(void *arg, char name[static NAME_OCTETS + 1], struct why *why)
{
	uint64_t *last = arg;
	struct buf b = {.p = name, .cap = NAME_OCTETS};

	if (*last == UINT64_MAX)
		return fail(why, ERR_PERM, "its last number is too large");
	buf_u64(&b, ++*last);
	name[b.len] = '\0';
	return OK;
}

static struct delivery_place place_of(uint64_t *last)
{
	return (struct delivery_place){
		.made_dir = "", .made = ".bulletin-", .dir = "", .name = new_name, .arg = last, .rules = MH_RULES};
}

enum err mh_bring(const struct maildrop *md, const struct delivery *d, struct why *why)
{
	struct mh_list list = {0};
	uint64_t last = 0;
	const struct delivery_place place = place_of(&last);
	enum err err = mh_list_read(&list, md, why);

	if (err == OK && list.count > 0 && !slice_u64(mh_list_name(&list, &list.found[list.count - 1]), &last))
		err = fail(why, ERR_PERM, "its last number is too large");
	mh_list_done(&list);
	return err == OK ? delivery_by_link(md, d, &place, why) : err;
}

enum err mh_find_brought(const struct maildrop *md, const struct due *due, bool in[], struct why *why)
{
	const struct delivery_place place = place_of(NULL);

	return delivery_find_links(md, due, &place, in, why);
}

void mh_end_bringing(const struct maildrop *md, const struct due *due)
{
	const struct delivery_place place = place_of(NULL);

	delivery_end_links(md, due, &place);
}
