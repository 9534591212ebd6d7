/* conf/kinds.h - from the values of a statement to a member of struct conf
 *
 * One parser for each kind of value. A value that is wrong leaves the member as it was, and `why` says what Mailutils
 * says about it; what was expected is kind_expected's. */
#pragma once
#include "conf/statements.h"
#include "conf/tree.h"

/* A statement with its values, on the way to its member. */
struct setting {
	const struct statement *st;
	const struct value *values;
	void *base;   /* the struct that the statement's group fills */
	void *member; /* in it */
	struct conf *cf;
	struct arena *arena; /* of the configuration: strings are copied to it */
	struct report *report;
	const struct range *at;
	bool unknown_module; /* out: what was wrong is a module's name */
};

enum err setting_apply(struct setting *s, struct why *why);

/* Sets the member to its default, or to "unset". False: no memory. */
bool setting_default(const struct setting *s, struct why *why);

/* What values the statement takes, as a phrase: "yes or no". */
void kind_expected(const struct statement *st, char *dst, size_t cap);

/* The kind's name in help: "boolean". */
const char *kind_word(const struct statement *st);

/* Takes the next word of text that has blanks between words; empty at its end. */
struct slice word_take(struct slice *text);

/* An array of n things with room for one more: `old` itself, or its copy; such arrays double. NULL: no memory. */
void *array_room(struct arena *arena, void *old, size_t n, size_t octets);

/* Calls fn for each text among the values and in lists among them, or for each part of it between separators ('\0': it
 * has none). No kind takes lists in lists. */
enum err each_text(struct setting *s, char sep, enum err (*fn)(struct setting *s, struct slice text, struct why *why),
		   struct why *why);

/* What kinds.c calls for the kinds whose values have a language of their own; see there. */
enum err checks_parse(struct setting *s, struct why *why);
enum err map_parse(struct setting *s, struct why *why);
enum err chain_parse(struct setting *s, struct why *why);
enum err file_parse(struct setting *s, struct why *why);
enum err lock_flags_parse(struct setting *s, struct why *why);
enum err debug_parse(struct setting *s, struct why *why);
enum err acl_parse(struct setting *s, struct why *why);
enum err networks_parse(struct setting *s, struct why *why);
enum err servers_parse(struct setting *s, struct why *why);
enum err priorities_parse(struct setting *s, const char *text, struct why *why);
enum err time_parse(struct slice text, uint64_t *seconds, struct why *why);

/* A number from 0 to 65535, or the name of a TCP service. ERR_TEMP: the number is too large; ERR_PERM: nobody knows it. */
enum err port_parse(struct slice text, uint16_t *port, struct why *why);

/* The address of a server (config-language 11.2): fills addr and addr_len of `sv` from its label. */
enum err server_address(struct conf_server *sv, uint16_t port, struct report *report, const struct range *at,
			struct why *why);

/* Looks up cf->local_names, where they are asked for; waits for name servers. False: no memory. */
bool local_names_find(struct conf *cf);

/* The edit distance (insert, delete, replace, swap of neighbours) of two words, or something larger than `most`. */
unsigned word_distance(const char *a, const char *b, unsigned most);

/* Keeps the nearest of the candidates that it is shown. */
struct nearest {
	const char *given, *best;
	unsigned distance;
};
struct nearest nearest_new(const char *given);
void nearest_try(struct nearest *n, const char *candidate);
