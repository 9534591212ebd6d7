/* conf/priority_words.h - the words of GnuTLS' priorities, and what OpenSSL calls them: tables
 *
 * Each ends with a row without a name. Orders are those in which GnuTLS 3.7 lists them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a word chooses from. */
enum priority_list { VERSION, CIPHER, KX, MAC, GROUP, SIGN, FIXED, LISTS };

enum { PRIORITY_WORDS = 103 };
extern const struct priority_word {
	const char *name;
	enum priority_list list;
	/* CIPHER: of TLS 1.3, perhaps none (""); NULL: OpenSSL has no such thing, or not in TLS 1.2 and 1.3 */
	const char *openssl;
} priority_words[PRIORITY_WORDS + 1];

/* Names for several words. */
extern const struct priority_several {
	const char *name;
	bool is_keyword;   /* may stand alone */
	const char *words; /* in order */
} priority_several[];

/* What TLS 1.2 makes of the words. */
extern const struct priority_suite {
	const char *kx, *cipher, *mac, *openssl;
} priority_suites[];

/* Flags, with what they set. Those that set nothing are about what a server does not do here: it looks at no client's
 * certificate, sends no client hello, and neither renegotiates nor compresses. GnuTLS has no %PRIORITIZE_CHACHA; it says
 * something only beside %SERVER_PRECEDENCE. */
#define PRIORITY_NOTHING SIZE_MAX
extern const struct priority_flag {
	const char *name;
	size_t at; /* of the bool, in struct conf_priorities */
} priority_flags[];
