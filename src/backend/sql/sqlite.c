/* backend/sql/sqlite.c - SQLite, as a driver of the module `sql': `db' is the path of a file, which is read only
 *
 * There is no server that could hang, but a file may be locked, or a query go through too much: both end in time. A file that
 * another one was renamed onto is opened anew. */
#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/sql/sql.h"

enum {
	STEPS = 1000, /* of SQLite's machine between two looks at the clock */
	PAUSE_MS = 5  /* between two looks at a locked file */
};

struct sqlite {
	sqlite3 *lib;
	sqlite3_stmt *query[SQL_QUERIES]; /* NULL: not prepared yet */
	struct stat file;                 /* the one that is open */
	uint64_t until;
};

static enum err sqlite_open(struct sql *db, struct why *why)
{
	const struct conf_sql *cf = db->cf;

	if (!cf->db || cf->db[0] != '/')
		return fail(why, ERR_PERM, "sql { db } %s: with sqlite it is the path of the file",
			    cf->db ? "is no path" : "is missing");
	if (cf->host || cf->port.given || cf->user || cf->passwd.n > 0 || cf->param)
		return fail(why, ERR_PERM, "sql { host, port, user, passwd, param }: with sqlite there is `db' alone");
	db->priv = calloc(1, sizeof(struct sqlite));
	return db->priv ? OK : fail(why, ERR_TEMP, "not enough memory");
}

/* Whether it is another time that helps. */
static enum err failed(const struct sqlite *s, int e, struct why *why)
{
	switch (e & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		return fail(why, ERR_TEMP, "SQL error: the file is locked, or the query takes too long");
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
	case SQLITE_NOMEM:
	case SQLITE_PROTOCOL:
		return sql_no_connection(why, sqlite3_errmsg(s->lib));
	default:
		return sql_query_failed(why, ERR_PERM, sqlite3_errmsg(s->lib));
	}
}

static int on_busy(void *arg, int times)
{
	const struct sqlite *s = arg;

	(void)times;
	if (sql_ms_left(s->until) == 0)
		return 0;
	(void)poll(NULL, 0, PAUSE_MS);
	return 1;
}

static int on_steps(void *arg)
{
	const struct sqlite *s = arg;

	return sql_ms_left(s->until) == 0;
}

static void sqlite_disconnect(struct sql *db)
{
	struct sqlite *s = db->priv;

	for (enum sql_which w = SQL_GETPWNAM; w < SQL_QUERIES; w++)
		(void)sqlite3_finalize(s->query[w]);
	(void)sqlite3_close_v2(s->lib);
	*s = (struct sqlite){0};
}

static enum err sqlite_connect(struct sql *db, uint64_t until, struct why *why)
{
	struct sqlite *s = db->priv;

	if (stat(db->cf->db, &s->file) < 0)
		return fail_errno(why, ERR_TEMP, "SQL error: %.150s", db->cf->db);
	int e = sqlite3_open_v2(db->cf->db, &s->lib, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
				NULL);

	if (e != SQLITE_OK) {
		enum err err = failed(s, e, why);

		sqlite_disconnect(db);
		return err;
	}
	s->until = until;
	/* A file that somebody else can write is no program of ours. */
	(void)sqlite3_db_config(s->lib, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(s->lib, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_busy_handler(s->lib, on_busy, s);
	sqlite3_progress_handler(s->lib, STEPS, on_steps, s);
	return OK;
}

static enum err prepare(struct sql *db, enum sql_which which, struct why *why)
{
	struct sqlite *s = db->priv;
	sqlite3_stmt **q = &s->query[which];

	if (*q)
		return OK;
	int e = sqlite3_prepare_v3(s->lib, db->query[which].text, -1, SQLITE_PREPARE_PERSISTENT, q, NULL);

	if (e != SQLITE_OK)
		return failed(s, e, why);
	if (sqlite3_bind_parameter_count(*q) == (int)db->query[which].parameters && sqlite3_stmt_readonly(*q))
		return OK;
	(void)sqlite3_finalize(*q);
	*q = NULL;
	return fail(why, ERR_PERM, "sql { %s }: a select, with no variables but $user", sql_statement[which]);
}

static enum err row_read(const struct sqlite *s, sqlite3_stmt *q, struct sql_row *row, struct why *why)
{
	int e = sqlite3_step(q);

	if (e != SQLITE_ROW)
		return e == SQLITE_DONE ? OK : failed(s, e, why);
	row->found = true;
	for (int i = 0; i < sqlite3_column_count(q); i++) {
		const char *value = (const char *)sqlite3_column_text(q, i);

		sql_row_add(row, sqlite3_column_name(q, i), value, (size_t)sqlite3_column_bytes(q, i));
	}
	row->more = sqlite3_step(q) == SQLITE_ROW;
	return OK;
}

static bool is_replaced(const struct sql *db, const struct sqlite *s)
{
	struct stat st;

	return stat(db->cf->db, &st) < 0 || st.st_ino != s->file.st_ino || st.st_dev != s->file.st_dev;
}

static enum err sqlite_ask(struct sql *db, enum sql_which which, const struct slice *value, uint64_t until,
			   struct sql_row *row, bool *lost, struct why *why)
{
	struct sqlite *s = db->priv;

	*lost = is_replaced(db, s);
	if (*lost)
		return sql_no_connection(why, "the file was replaced");
	s->until = until;
	enum err err = prepare(db, which, why);
	sqlite3_stmt *q = s->query[which];

	if (err != OK)
		return err;
	for (size_t i = 0; i < db->query[which].parameters && err == OK; i++)
		if (sqlite3_bind_text64(q, (int)i + 1, value[i].p, value[i].n, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
			err = failed(s, sqlite3_errcode(s->lib), why);
	if (err == OK)
		err = row_read(s, q, row, why);
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return err;
}

static void sqlite_close(struct sql *db)
{
	free(db->priv);
}

const struct sql_driver sql_driver = {
	.interface = SQL_SQLITE,
	.name = "sqlite",
	.open = sqlite_open,
	.connect = sqlite_connect,
	.ask = sqlite_ask,
	.disconnect = sqlite_disconnect,
	.close = sqlite_close,
};
