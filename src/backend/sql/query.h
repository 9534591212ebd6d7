/* backend/sql/query.h - a query of the configuration, made ready for values that are bound
 *
 * A name that a client gives is never part of a query's text. Once, when the configuration is read, each place where it would
 * be becomes a placeholder, and with it goes a template of conf/conf.h that gives its value:
 *
 *	where name='$user'		where name=?	$user
 *	where uid=$user			where uid=?	$user
 *	where addr='$user@example.org'	where addr=?	$user@example.org
 *	where dom='$(domainpart $user)'	where dom=?	$(domainpart $user)
 *
 * A literal that holds a variable is bound as a whole, so no server needs to put it together. What cannot be turned like that
 * (names of tables and columns, pieces of SQL) is an error which says how to write it. Should this reading of SQL be mistaken,
 * the server refuses the query; values stay values. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"
#include "base/why.h"

enum { SQL_PARAMETERS_MOST = 16 };

/* How servers differ. */
struct sql_dialect {
	bool numbered;      /* placeholders are $1, $2, ...; else ? */
	bool double_quotes; /* "..." is a literal, not a name */
	bool hash_comments; /* # begins a comment */
};

struct sql_query {
	const char *text; /* what the server prepares; NULL: the configuration has none */
	struct slice parameter[SQL_PARAMETERS_MOST];
	size_t parameters;
};

/* Fills *q, in memory of the arena. `statement' is its name, for messages. */
enum err sql_query_read(struct sql_query *q, struct arena *arena, const char *statement, struct slice template,
			const struct sql_dialect *d, struct why *why);

/* Values of a query's parameters for a user, each with a NUL behind it, in `out`. ERR_AUTH: there can be no such user. */
enum err sql_query_values(const struct sql_query *q, struct slice user, struct buf *out,
			  struct slice value[static SQL_PARAMETERS_MOST], struct why *why);

/* Whether text is UTF-8 (RFC 3629): the encoding of all connections. */
bool sql_is_utf8(struct slice text);
