/* backend/sql/sql.h - the module `sql': what all servers have in common, and what a driver does for one kind
 *
 * Each kind is a module of its own, mod_sql_NAME.so: sql.c, record.c and query.c with one driver file. A driver keeps one connection
 * with the queries prepared on it; sql.c makes it, makes it anew where it was lost, and asks. */
#pragma once
#include "backend/backend.h"
#include "backend/sql/query.h"

enum { SQL_COLUMNS_MOST = 64, SQL_ROW_OCTETS = 32768 };

enum sql_which { SQL_GETPWNAM, SQL_GETPWUID, SQL_GETPASS, SQL_QUERIES };

/* The first row of an answer. */
struct sql_row {
	bool found, more; /* there is one; there are more */
	struct sql_column {
		struct slice name, value;
		bool null;
	} column[SQL_COLUMNS_MOST];
	size_t columns;
	bool full; /* it does not fit */
	struct buf text;
	char octets[SQL_ROW_OCTETS];
};

/* Adds a column; value NULL is SQL's. */
void sql_row_add(struct sql_row *row, const char *name, const char *value, size_t octets);

struct sql {
	const struct conf_sql *cf;
	struct arena *arena;  /* as long as the module is open */
	struct secret passwd; /* of the server's user */
	struct sql_query query[SQL_QUERIES];
	bool connected;
	uint64_t used_ms; /* when the connection was asked last */
	struct sql_row row, pass;
	char secret[SECRET_MOST]; /* {SCHEME}TEXT */
	void *priv;               /* the driver's */
};

/* Errors: ERR_TEMP with what the library says, for what may be better later, and all that ends a connection; ERR_PERM for queries
 * that are refused; ERR_AUTH where a value cannot be in the data base. No call lasts longer than `until` (of clock_ms()). */
struct sql_driver {
	enum sql_interface interface;
	const char *name;
	struct sql_dialect dialect;
	enum err (*open)(struct sql *db, struct why *why); /* looks at the configuration; connects to nothing */
	enum err (*connect)(struct sql *db, uint64_t until, struct why *why); /* after an error it is as before */
	enum err (*ask)(struct sql *db, enum sql_which which, const struct slice *value, uint64_t until,
			struct sql_row *row, bool *lost, struct why *why);
	void (*disconnect)(struct sql *db); /* waits for nobody */
	void (*close)(struct sql *db);      /* behind disconnect */
};
/* One in each module. */
extern const struct sql_driver sql_driver;

extern const char *const sql_statement[SQL_QUERIES]; /* "getpwnam", ... */

/* What drivers share: "SQL error: TEXT" and "SQL query failed: TEXT", of the first line of what a library says. */
enum err sql_no_connection(struct why *why, const char *text);
enum err sql_query_failed(struct why *why, enum err err, const char *text);
enum err sql_too_late(struct why *why);

/* Milliseconds until then, as poll(2) wants them: 0 when it is past. */
int sql_ms_left(uint64_t until);

/* record.c: the record of a row. */
enum err sql_record(struct sql *db, struct backend_record *r, struct why *why);

/* record.c: the secret that getpass's row gives, by password-encryption; empty: there is none. */
struct slice sql_secret(struct sql *db);
