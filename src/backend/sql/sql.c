/* backend/sql/sql.c - the module `sql': opening, asking, and asking again where the connection was lost */
#include "backend/sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sql_statement[SQL_QUERIES] = {"getpwnam", "getpwuid", "getpass"};

enum {
	ARENA_MOST = 1 << 18,
	VALUES_OCTETS = 8192,
	DOUBTFUL_MS = 30000 /* a connection that was not used for so long may have been forgotten on the way */
};

/* --- what drivers share ----------------------------------------------------------------------------------------- */

static int first_line(const char *text)
{
	size_t n = strcspn(text, "\r\n");

	return (int)(n < 200 ? n : 200);
}

enum err sql_no_connection(struct why *why, const char *text)
{
	return fail(why, ERR_TEMP, "SQL error: %.*s", first_line(text), text);
}

enum err sql_query_failed(struct why *why, enum err err, const char *text)
{
	return fail(why, err, "SQL query failed: %.*s", first_line(text), text);
}

enum err sql_too_late(struct why *why)
{
	return fail(why, ERR_TEMP, "SQL error: the server does not answer in time");
}

int sql_ms_left(uint64_t until)
{
	uint64_t now = clock_ms();

	return now >= until ? 0 : until - now > INT32_MAX ? INT32_MAX : (int)(until - now);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static enum err query_open(struct sql *db, enum sql_which which, const char *template, bool needed, struct why *why)
{
	if (template && *template)
		return sql_query_read(&db->query[which], db->arena, sql_statement[which], slice_str(template),
				      &sql_driver.dialect, why);
	return !needed ? OK
		       : fail(why, ERR_PERM,
			      "sql { %s } is missing: the query for a user's %s, as in \"select ... where "
			      "name='$user'\"",
			      sql_statement[which], which == SQL_GETPASS ? "password" : "record");
}

/* Who names the module in a chain wants it to do that; the default chains name it for what it can do. */
static enum err queries_open(struct sql *db, const struct conf *cf, struct why *why)
{
	const struct conf_list *passwords = &cf->auth.authentication;
	enum err err = query_open(db, SQL_GETPWNAM, db->cf->getpwnam, true, why);

	if (err == OK)
		err = query_open(db, SQL_GETPWUID, db->cf->getpwuid, false, why);
	if (err == OK)
		err = query_open(db, SQL_GETPASS, db->cf->getpass, passwords->given && conf_list_has(passwords, "sql"),
				 why);
	return err;
}

static enum err db_open(struct sql *db, const struct conf *cf, struct why *why)
{
	if (!db->arena || !secret_set(&db->passwd, secret_slice(&cf->sql.passwd)))
		return fail(why, ERR_TEMP, "not enough memory");
	if (cf->sql.interface == SQL_UNSET)
		return fail(why, ERR_PERM, "sql { interface } is missing: mysql, odbc, postgres or sqlite");
	if (cf->sql.interface != sql_driver.interface)
		return fail(why, ERR_PERM, "this module is for sql { interface %s }", sql_driver.name);
	enum err err = queries_open(db, cf, why);

	return err == OK ? sql_driver.open(db, why) : err;
}

static void disconnect(struct sql *db)
{
	if (db->connected)
		sql_driver.disconnect(db);
	db->connected = false;
}

static void sql_close(void *priv)
{
	struct sql *db = priv;

	disconnect(db);
	sql_driver.close(db);
	arena_free(db->arena);
	explicit_bzero(db, sizeof *db);
	free(db);
}

static enum err sql_open(const struct conf *cf, void **priv, struct why *why)
{
	struct sql *db = calloc(1, sizeof *db);

	if (!db)
		return fail(why, ERR_TEMP, "not enough memory");
	/* Libraries look up host names as long as the resolver likes: resolv.conf(5). */
	(void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0); /* without memory for it look-ups last longer */
	db->cf = &cf->sql;
	db->arena = arena_new(ARENA_MOST);
	enum err err = db_open(db, cf, why);

	if (err == OK)
		*priv = db;
	else
		sql_close(db);
	return err;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

static void row_clear(struct sql_row *row)
{
	explicit_bzero(row->octets, row->text.len);
	row->found = row->more = row->full = false;
	row->columns = 0;
	row->text = BUF(row->octets);
}

void sql_row_add(struct sql_row *row, const char *name, const char *value, size_t octets)
{
	struct slice n = slice_str(name);
	size_t at = row->text.len;

	buf_put(&row->text, n);
	buf_put(&row->text, (struct slice){value ? value : "", value ? octets : 0});
	row->full |= row->text.full || row->columns == SQL_COLUMNS_MOST;
	if (!row->full)
		row->column[row->columns++] =
			(struct sql_column){.name = {row->octets + at, n.n},
					    .value = {row->octets + at + n.n, row->text.len - at - n.n},
					    .null = !value};
}

/* Asks once. A connection that was left alone for long gets half of the time, so that a new one can have the rest. */
static enum err ask_once(struct sql *db, enum sql_which which, const struct slice *value, uint64_t deadline,
			 struct sql_row *row, bool *lost, struct why *why)
{
	uint64_t now = clock_ms(), until = deadline;
	enum err err = OK;

	*lost = false;
	if (db->connected && now - db->used_ms > DOUBTFUL_MS && deadline > now)
		until = now + (deadline - now) / 2;
	if (!db->connected) {
		err = sql_driver.connect(db, deadline, why);
		db->connected = err == OK;
	}
	if (err != OK)
		return err;
	row_clear(row);
	err = sql_driver.ask(db, which, value, until, row, lost, why);
	db->used_ms = clock_ms();
	if (*lost)
		disconnect(db);
	if (err == OK && row->full)
		return fail(why, ERR_PERM, "SQL query failed: more than %d columns or %d octets in a row of %s",
			    SQL_COLUMNS_MOST, SQL_ROW_OCTETS, sql_statement[which]);
	return err;
}

/* The first row for a user. Where a connection was lost, and there is time, it is asked once more, on a new one. */
static enum err ask(struct sql *db, enum sql_which which, struct slice user, uint64_t deadline, struct sql_row *row,
		    struct why *why)
{
	char octets[VALUES_OCTETS];
	struct buf values = BUF(octets);
	struct slice value[SQL_PARAMETERS_MOST];
	bool lost;
	enum err err = sql_query_values(&db->query[which], user, &values, value, why);

	if (err != OK)
		return err;
	err = ask_once(db, which, value, deadline, row, &lost, why);
	if (lost && clock_ms() < deadline)
		err = ask_once(db, which, value, deadline, row, &lost, why);
	return err;
}

static enum err find_record(struct sql *db, const struct backend_ask *ask_for, struct why *why)
{
	enum sql_which which = ask_for->by_uid ? SQL_GETPWUID : SQL_GETPWNAM;
	uint32_t uid;

	if (!db->query[which].text)
		return fail(why, ERR_PERM, "sql { %s } is missing", sql_statement[which]);
	if (!sql_is_utf8(ask_for->login))
		return fail(why, ERR_AUTH, "no such user: the name is not UTF-8");
	if (ask_for->by_uid && !slice_u32(ask_for->login, &uid))
		return fail(why, ERR_AUTH, "no such user: a uid is a number");
	enum err err = ask(db, which, ask_for->login, ask_for->deadline_ms, &db->row, why);

	return err == OK && !db->row.found ? fail(why, ERR_AUTH, "%s finds no such user", sql_statement[which]) : err;
}

/* By the name that the client gave, as getpwnam was; who was found by his number has that of the record. */
static enum err find_secret(struct sql *db, const struct backend_ask *ask_for, struct backend_record *r,
			    struct why *why)
{
	if (!ask_for->wants_secret || !db->query[SQL_GETPASS].text)
		return OK;
	enum err err =
		ask(db, SQL_GETPASS, ask_for->by_uid ? r->name : ask_for->login, ask_for->deadline_ms, &db->pass, why);

	if (err == OK && db->pass.found)
		r->secret = sql_secret(db);
	return err == ERR_AUTH ? OK : err;
}

static enum err sql_lookup(void *priv, const struct backend_ask *ask_for, struct backend_record *r, struct why *why)
{
	struct sql *db = priv;
	enum err err = find_record(db, ask_for, why);

	if (err == OK)
		err = sql_record(db, r, why);
	if (err == OK)
		err = find_secret(db, ask_for, r, why);
	return err;
}

const struct backend backend_module = {
	.version = BACKEND_VERSION,
	.name = "sql",
	.open = sql_open,
	.lookup = sql_lookup,
	.close = sql_close,
};
