/* backend/radius/dictionary.h - names of attributes and of their values, as the dictionaries of FreeRADIUS and GNU Radius have them
 *
 *	ATTRIBUTE NAME NUMBER TYPE [VENDOR] [FLAGS]
 *	VALUE ATTRIBUTE NAME NUMBER
 *	VENDOR NAME NUMBER [FORMAT]
 *	BEGIN-VENDOR NAME ... END-VENDOR NAME
 *	$INCLUDE FILE			beside the file that includes it
 *
 * What these servers know and a client of ours cannot use (tagged and nested attributes, types of later versions) is read, and its
 * names are refused where a request has them. The standard attributes and those of Mailutils are there without any file. All of
 * it lies in the arena that dictionary_begin was given. */
#pragma once
#include "base/arena.h"
#include "base/why.h"

enum attribute_type {
	TYPE_STRING,
	TYPE_OCTETS,
	TYPE_INTEGER, /* of `octets' octets */
	TYPE_IPADDR,
	TYPE_IPV6ADDR,
	TYPE_DATE,
	TYPE_OTHER /* known by name only */
};

struct dictionary_attribute {
	const struct dictionary_attribute *older;
	const char *name;
	uint32_t vendor; /* 0: of the standard */
	uint8_t number, octets;
	enum attribute_type type;
	bool hidden; /* as User-Password */
};

struct dictionary_value {
	const struct dictionary_value *older;
	const char *attribute, *name;
	uint64_t number;
};

struct dictionary_vendor {
	const struct dictionary_vendor *older;
	const char *name;
	uint32_t number;
	bool usual; /* type and length are an octet each */
};

struct dictionary {
	struct arena *arena;
	const struct dictionary_attribute *attributes; /* the newest first: it counts */
	const struct dictionary_value *values;
	const struct dictionary_vendor *vendors;
};

/* With what is there without files. */
enum err dictionary_begin(struct dictionary *d, struct arena *arena, struct why *why);

/* Reads a file with all that it includes. */
enum err dictionary_read(struct dictionary *d, const char *path, struct why *why);

/* A text; `path' is for messages, and for files that it includes; NULL: it may include none. */
enum err dictionary_text(struct dictionary *d, struct slice text, const char *path, struct why *why);

/* NULL: unknown. Names in any case. */
const struct dictionary_attribute *dictionary_find(const struct dictionary *d, struct slice name);
const struct dictionary_value *dictionary_value_find(const struct dictionary *d, const char *attribute,
						     struct slice name);

/* Decimal, or hexadecimal behind 0x; false: neither, or too large. */
bool number_parse(struct slice text, uint64_t *n);
