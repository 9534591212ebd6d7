/* backend/radius/pairs.h - a request as the configuration writes it: "User-Name = ${user}, NAS-Port = 1"
 *
 * Pairs with commas between. A value is a word, or stands in quotes, in which a backslash takes the next character as it is. Names
 * of attributes and of their values are the dictionary's; octets may be written as 0xHEX. Structure and variables are found once; what a variable stands for is
 * inserted as it is and never looked at again, whatever octets it has. */
#pragma once
#include "backend/radius/dictionary.h"
#include "backend/radius/packet.h"
#include "conf/conf.h"

struct pair {
	const struct dictionary_attribute *attribute;
	struct slice value;
	bool varies; /* value is a template of conf_expand; else what is sent */
};

struct pairs {
	struct pair *pair;
	size_t n;
	bool secret;   /* ${passwd} is in it */
	bool names_us; /* it says who asks: NAS-IP-Address, NAS-Identifier or NAS-IPv6-Address (RFC 2865, section 4.1) */
};

/* `statement' is what messages call it. What can be checked without the variables is. The text is borrowed. */
enum err pairs_parse(struct pairs *p, const struct dictionary *d, const char *statement, const char *text,
		     struct why *why);

/* Puts them into the request. ERR_AUTH: a value that came of a variable does not fit into its attribute. */
enum err pairs_put(const struct pairs *p, const struct dictionary *d, struct packet *request, struct slice secret,
		   const struct conf_var *vars, size_t nvars, struct why *why);
