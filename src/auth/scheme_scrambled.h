/* auth/scheme_scrambled.h - what PASSWORD() of MySQL makes of a password, and what it made before version 4.1
 *
 *	*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4	SHA-1 of SHA-1
 *	6f8c114b58f2ce9e				the old form: two sums of 31 bits, which blanks and tabs do not count in
 *
 * Neither has a salt, and the old one is found by trying: they are here for tables that hold them. */
#pragma once
#include "base/slice.h"

bool scrambled_is(struct slice text);

/* Whether text is made of the password; false where it is neither form. */
bool scrambled_same(struct slice password, struct slice text);
