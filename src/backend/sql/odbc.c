/* backend/sql/odbc.c - whatever has a driver of ODBC, as a driver of the module `sql'
 *
 * The connection string is made of `param' and what else is given. Where `param' names no driver or source of its own, the source (of
 * odbc.ini(5)) is `host', or `db' where there is no host; with a driver they are its Server and Database. Drivers know time limits in
 * seconds, if at all: watchdog.h ends what takes longer. */
#include <ctype.h>
#include <sql.h>
#include <sqlext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/sql/sql.h"
#include "backend/sql/watchdog.h"

enum { STRING_OCTETS = 4096, COLUMN_NAME_MOST = 128, SQLSTATE_OCTETS = 6, DIAGNOSTIC_OCTETS = 512 };

struct odbc {
	SQLHENV env;
	SQLHDBC lib;
	SQLHSTMT query[SQL_QUERIES]; /* NULL: not prepared yet */
	struct descriptors ours;     /* of the connection */
	const char *param;
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

static enum err odbc_open(struct sql *db, struct why *why)
{
	struct odbc *o = db->priv = calloc(1, sizeof *o);

	if (!o)
		return fail(why, ERR_TEMP, "not enough memory");
	o->param = db->cf->param ? db->cf->param : "";
	if (!*o->param && !db->cf->host && !db->cf->db)
		return fail(why, ERR_PERM,
			    "sql { db } is missing: the source of odbc.ini(5); or sql { param \"Driver=...;...\" }");
	if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &o->env)) ||
	    !SQL_SUCCEEDED(SQLSetEnvAttr(o->env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0)))
		return fail(why, ERR_TEMP, "ODBC cannot be used: not enough memory");
	return OK;
}

static void odbc_close(struct sql *db)
{
	struct odbc *o = db->priv;

	if (o && o->env)
		(void)SQLFreeHandle(SQL_HANDLE_ENV, o->env);
	free(o);
}

/* --- what drivers say ------------------------------------------------------------------------------------------- */

struct diagnostic {
	char state[SQLSTATE_OCTETS], text[DIAGNOSTIC_OCTETS];
	SQLINTEGER number;
};

static struct diagnostic diagnostic(SQLSMALLINT type, SQLHANDLE handle)
{
	struct diagnostic d = {.text = "the driver does not say why"};
	SQLSMALLINT n;

	(void)SQLGetDiagRec(type, handle, 1, (SQLCHAR *)d.state, &d.number, (SQLCHAR *)d.text, sizeof d.text, &n);
	return d;
}

/* What the first octets of an SQLSTATE say, where it is not that the query is wrong. */
static const struct {
	const char *state;
	enum err err;
	bool lost;
} states[] = {
	{"08", ERR_TEMP, true},    {"HYT", ERR_TEMP, true},    {"57P", ERR_TEMP, true},    {"26", ERR_TEMP, true},
	{"0A000", ERR_TEMP, true}, {"40", ERR_TEMP, false},    {"53", ERR_TEMP, false},    {"57", ERR_TEMP, false},
	{"58", ERR_TEMP, false},   {"22021", ERR_AUTH, false}, {"22P05", ERR_AUTH, false},
};

static enum err query_failed(const struct odbc *o, SQLHSTMT q, bool late, bool *lost, struct why *why)
{
	struct diagnostic d = diagnostic(SQL_HANDLE_STMT, q);
	SQLUINTEGER dead = SQL_CD_FALSE;

	*lost |= late;
	if (late)
		return sql_too_late(why);
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		if (strncmp(d.state, states[i].state, strlen(states[i].state)) != 0)
			continue;
		*lost |= states[i].lost;
		return sql_query_failed(why, states[i].err, d.text);
	}
	(void)SQLGetConnectAttr(o->lib, SQL_ATTR_CONNECTION_DEAD, &dead, sizeof dead, NULL);
	*lost |= dead == SQL_CD_TRUE;
	return *lost ? sql_no_connection(why, d.text) : sql_query_failed(why, ERR_PERM, d.text);
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

/* Some drivers take braces for a part of a port. */
static bool needs_braces(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!isalnum((unsigned char)value.p[i]) && !strchr("._-/:", value.p[i]))
			return true;
	return false;
}

/* ";KEY=VALUE", ";KEY={VALUE}". */
static void attribute_put(struct buf *b, const char *key, struct slice value)
{
	if (value.n == 0)
		return;
	buf_str(b, b->len > 0 && b->p[b->len - 1] != ';' ? ";" : "");
	buf_str(b, key);
	buf_char(b, '=');
	if (!needs_braces(value)) {
		buf_put(b, value);
		return;
	}
	buf_char(b, '{');
	for (size_t i = 0; i < value.n; i++)
		buf_str(b, (const char[]){value.p[i], value.p[i] == '}' ? '}' : '\0', '\0'});
	buf_char(b, '}');
}

static void string_make(const struct sql *db, struct buf *b)
{
	const struct odbc *o = db->priv;
	const struct conf_sql *cf = db->cf;
	bool driver = strcasestr(o->param, "driver=") != NULL;
	bool source = !driver && !strcasestr(o->param, "dsn=");
	char port[8] = "";

	if (cf->port.given)
		(void)snprintf(port, sizeof port, "%u", cf->port.n);
	buf_str(b, o->param);
	if (source)
		attribute_put(b, "DSN", slice_str(cf->host ? cf->host : cf->db));
	else
		attribute_put(b, "Server", slice_str(cf->host));
	if (!source || cf->host)
		attribute_put(b, "Database", slice_str(cf->db));
	attribute_put(b, "Port", slice_str(port));
	attribute_put(b, "UID", slice_str(cf->user));
	attribute_put(b, "PWD", secret_slice(&db->passwd));
	buf_char(b, '\0');
}

static void odbc_disconnect(struct sql *db)
{
	struct odbc *o = db->priv;
	struct descriptors spared = descriptors_but(descriptors_open(), o->ours);

	watchdog_begin(0, &spared); /* it would take leave of a server that may not listen */
	for (enum sql_which w = SQL_GETPWNAM; w < SQL_QUERIES; w++) {
		if (o->query[w])
			(void)SQLFreeHandle(SQL_HANDLE_STMT, o->query[w]);
		o->query[w] = NULL;
	}
	(void)SQLDisconnect(o->lib);
	(void)SQLFreeHandle(SQL_HANDLE_DBC, o->lib);
	(void)watchdog_end();
	o->lib = NULL;
	o->ours = (struct descriptors){{0}};
}

static SQLPOINTER seconds_until(uint64_t until)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): ODBC hands numbers over as pointers */
	return (SQLPOINTER)(uintptr_t)(sql_ms_left(until) / 1000 + 1);
}

static enum err odbc_connect(struct sql *db, uint64_t until, struct why *why)
{
	struct odbc *o = db->priv;
	struct descriptors before = descriptors_open();
	char octets[STRING_OCTETS];
	struct buf string = BUF(octets);
	SQLRETURN e = SQL_ERROR;

	string_make(db, &string);
	if (string.full)
		return fail(why, ERR_PERM, "sql { param } and the rest are too long for a connection string");
	if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_DBC, o->env, &o->lib)))
		return fail(why, ERR_TEMP, "not enough memory");
	(void)SQLSetConnectAttr(o->lib, SQL_ATTR_LOGIN_TIMEOUT, seconds_until(until), 0);
	watchdog_begin(until, &before);
	e = SQLDriverConnect(o->lib, NULL, (SQLCHAR *)octets, SQL_NTS, NULL, 0, NULL, SQL_DRIVER_NOPROMPT);
	bool late = watchdog_end();

	explicit_bzero(octets, sizeof octets);
	if (SQL_SUCCEEDED(e) && !late) {
		o->ours = descriptors_but(descriptors_open(), before);
		return OK;
	}
	enum err err = late ? sql_too_late(why) : sql_no_connection(why, diagnostic(SQL_HANDLE_DBC, o->lib).text);

	odbc_disconnect(db);
	return err;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

/* The statement is in the list as soon as there is one; odbc_ask takes it out when it could not be prepared. */
static SQLRETURN prepare(struct sql *db, enum sql_which which)
{
	struct odbc *o = db->priv;
	SQLHSTMT *q = &o->query[which];

	if (*q)
		return SQL_SUCCESS;
	SQLRETURN e = SQLAllocHandle(SQL_HANDLE_STMT, o->lib, q);

	return SQL_SUCCEEDED(e) ? SQLPrepare(*q, (SQLCHAR *)db->query[which].text, SQL_NTS) : e;
}

static SQLRETURN parameters_bind(SQLHSTMT q, const struct slice *value, SQLLEN *octets, size_t n)
{
	SQLRETURN e = SQL_SUCCESS;

	for (size_t i = 0; i < n && SQL_SUCCEEDED(e); i++) {
		octets[i] = (SQLLEN)value[i].n;
		e = SQLBindParameter(q, (SQLUSMALLINT)(i + 1), SQL_PARAM_INPUT, SQL_C_CHAR, SQL_VARCHAR,
				     value[i].n > 0 ? value[i].n : 1, 0, (SQLPOINTER)value[i].p, octets[i], &octets[i]);
	}
	return e;
}

static SQLRETURN column_read(SQLHSTMT q, SQLUSMALLINT i, struct sql_row *row)
{
	char name[COLUMN_NAME_MOST] = "", value[SQL_ROW_OCTETS / 2];
	SQLLEN octets = 0;
	SQLRETURN e = SQLDescribeCol(q, i, (SQLCHAR *)name, sizeof name, NULL, NULL, NULL, NULL, NULL);

	if (SQL_SUCCEEDED(e))
		e = SQLGetData(q, i, SQL_C_CHAR, value, sizeof value, &octets);
	if (SQL_SUCCEEDED(e) && octets != SQL_NULL_DATA && (octets < 0 || (size_t)octets >= sizeof value))
		row->full = true;
	else if (SQL_SUCCEEDED(e))
		sql_row_add(row, name, octets == SQL_NULL_DATA ? NULL : value, (size_t)octets);
	explicit_bzero(value, sizeof value);
	return e;
}

static SQLRETURN rows_read(SQLHSTMT q, struct sql_row *row)
{
	SQLSMALLINT n = 0;
	SQLRETURN e = SQLFetch(q);

	if (e == SQL_NO_DATA)
		return SQL_SUCCESS;
	if (SQL_SUCCEEDED(e))
		e = SQLNumResultCols(q, &n);
	row->found = SQL_SUCCEEDED(e);
	for (SQLSMALLINT i = 1; i <= n && SQL_SUCCEEDED(e); i++)
		e = column_read(q, (SQLUSMALLINT)i, row);
	row->more = SQL_SUCCEEDED(e) && SQL_SUCCEEDED(SQLFetch(q));
	return e;
}

static enum err odbc_ask(struct sql *db, enum sql_which which, const struct slice *value, uint64_t until,
			 struct sql_row *row, bool *lost, struct why *why)
{
	struct odbc *o = db->priv;
	struct descriptors spared = descriptors_but(descriptors_open(), o->ours);
	SQLLEN octets[SQL_PARAMETERS_MOST];
	enum err err = OK;

	watchdog_begin(until, &spared);
	bool prepared = o->query[which] != NULL;
	SQLRETURN e = prepare(db, which);
	SQLHSTMT q = o->query[which];

	prepared |= SQL_SUCCEEDED(e);
	if (SQL_SUCCEEDED(e))
		(void)SQLSetStmtAttr(q, SQL_ATTR_QUERY_TIMEOUT, seconds_until(until), 0);
	if (SQL_SUCCEEDED(e))
		e = parameters_bind(q, value, octets, db->query[which].parameters);
	if (SQL_SUCCEEDED(e))
		e = SQLExecute(q);
	if (SQL_SUCCEEDED(e))
		e = rows_read(q, row);
	bool late = watchdog_end();

	if (e == SQL_NO_DATA) /* what changes nothing, and gives nothing */
		err = fail(why, ERR_PERM, "sql { %s }: a select", sql_statement[which]);
	else if (!SQL_SUCCEEDED(e) || late)
		err = query_failed(o, q, late, lost, why);
	if (q && !*lost && !prepared) {
		(void)SQLFreeHandle(SQL_HANDLE_STMT, q);
		o->query[which] = NULL;
	} else if (q && !*lost) {
		(void)SQLFreeStmt(q, SQL_CLOSE);
		(void)SQLFreeStmt(q, SQL_RESET_PARAMS);
	}
	return err;
}

const struct sql_driver sql_driver = {
	.interface = SQL_ODBC,
	.name = "odbc",
	.open = odbc_open,
	.connect = odbc_connect,
	.ask = odbc_ask,
	.disconnect = odbc_disconnect,
	.close = odbc_close,
};
