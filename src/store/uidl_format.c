/* store/uidl_format.c - see uidl_format.h */
#include "store/uidl_format.h"

bool uidl_format_is_computed(const struct maildrop_setup *setup)
{
	(void)setup;
	return true;
}

enum err uidl_format_name(const struct maildrop *md, struct scan *now, uint32_t i, struct uidl_numbers *numbers,
			  struct why *why)
{
	(void)md;
	(void)now;
	(void)i;
	(void)numbers;
	(void)why;
	return OK;
}
