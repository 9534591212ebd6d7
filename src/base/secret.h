/* base/secret.h - a password or other secret: wiped when done, never printed
 *
 * No other type holds one, and nothing formats this type. */
#pragma once
#include "base/slice.h"

enum { SECRET_MOST = 1024 }; /* octets */

struct secret {
	size_t n;
	char octets[SECRET_MOST];
};

/* Copies text; false, and the secret is empty, when it does not fit. */
bool secret_set(struct secret *s, struct slice text);
struct slice secret_slice(const struct secret *s);
void secret_wipe(struct secret *s);

/* Whether two strings are the same, in a time that depends on the length of `given` alone. */
bool secret_same(struct slice given, struct slice kept);
