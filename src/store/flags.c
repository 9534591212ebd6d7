/* store/flags.c - see flags.h */
#include "store/flags.h"

bool flags_pending(uint32_t flags)
{
	return !(flags & FLAGS_LEFT) && (!(flags & FLAGS_WRITTEN) || (flags & FLAGS_SEEN && !(flags & FLAGS_TOLD)));
}

uint32_t flags_written(uint32_t flags)
{
	return (flags & ~(uint32_t)FLAGS_LEFT) | FLAGS_WRITTEN | (flags & FLAGS_SEEN ? FLAGS_TOLD : 0);
}

uint32_t flags_left(uint32_t flags)
{
	return flags | FLAGS_LEFT;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

uint64_t flags_letter(char c)
{
	for (unsigned i = 0; i < FLAGS_LETTERS; i++)
		if (alphabet[i] == c)
			return UINT64_C(1) << i;
	return 0;
}

uint32_t flags_text(uint64_t letters, char text[FLAGS_LETTERS])
{
	uint32_t n = 0;

	for (unsigned i = 0; i < FLAGS_LETTERS; i++)
		if (letters >> i & 1)
			text[n++] = alphabet[i];
	return n;
}
