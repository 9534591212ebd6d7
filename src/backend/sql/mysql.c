/* backend/sql/mysql.c - MariaDB and MySQL, as a driver of the module `sql', with MariaDB's client library
 *
 * Each call that waits is one of the library's pair NAME_start and NAME_cont, with poll(2) between, so that every wait ends in time.
 * `param' is a list of KEY=VALUE with blanks between: ssl-mode (disabled, required: encrypted but with anybody, verify: the
 * certificate and its host name), ssl-ca, ssl-cert, ssl-key. Naming an ssl-ca means verify. */
#include <mysql.h>
/* These two behind it. */
#include <errmsg.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/sql/sql.h"

enum { VALUE_OCTETS = 4096 };

struct mysql {
	MYSQL lib;
	MYSQL_STMT *query[SQL_QUERIES];  /* NULL: not prepared yet */
	MYSQL_RES *columns[SQL_QUERIES]; /* of each */
	uint64_t until;
	bool late; /* a call was ended because it was time */
	enum { TLS_OFF, TLS_ANYBODY, TLS_VERIFIED } tls;
	const char *ca, *cert, *key;
	char value[SQL_COLUMNS_MOST][VALUE_OCTETS];
	unsigned long octets[SQL_COLUMNS_MOST];
	my_bool null[SQL_COLUMNS_MOST];
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

static bool mode_read(struct mysql *my, struct slice word)
{
	static const char *const modes[] = {"disabled", "required", "verify"};

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (slice_eq(word, slice_str(modes[i]))) {
			my->tls = i;
			return true;
		}
	return false;
}

static enum err param_read(struct sql *db, struct mysql *my, struct slice pair, struct why *why)
{
	struct slice value = pair, key = slice_take(&value, '=');
	const char **paths[] = {&my->ca, &my->cert, &my->key};
	static const char *const names[] = {"ssl-ca", "ssl-cert", "ssl-key"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!slice_eq(key, slice_str(names[i])) || value.n == 0)
			continue;
		*paths[i] = arena_str(db->arena, value);
		return *paths[i] ? OK : fail(why, ERR_TEMP, "not enough memory");
	}
	if (slice_eq(key, SLICE("ssl-mode")) && mode_read(my, value))
		return OK;
	return fail(why, ERR_PERM,
		    "sql { param }: %.*s: expected ssl-mode=disabled, required or verify, ssl-ca=FILE, ssl-cert=FILE, "
		    "ssl-key=FILE",
		    (int)(pair.n < 60 ? pair.n : 60), pair.p);
}

static enum err mysql_driver_open(struct sql *db, struct why *why)
{
	struct mysql *my = db->priv = calloc(1, sizeof *my);
	struct slice rest = slice_trim(slice_str(db->cf->param));
	enum err err = OK;
	bool given = slice_starts(rest, SLICE("ssl-mode=")) || (rest.n > 0 && strstr(db->cf->param, " ssl-mode="));

	if (!my)
		return fail(why, ERR_TEMP, "not enough memory");
	while (err == OK && rest.n > 0) {
		err = param_read(db, my, slice_take(&rest, ' '), why);
		rest = slice_trim(rest);
	}
	if (err == OK && my->ca && !given)
		my->tls = TLS_VERIFIED;
	return err;
}

static void mysql_driver_close(struct sql *db)
{
	free(db->priv);
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

/* Waits as a call wants it; what came. When it is time the call hears so, and ends with an error. */
static int wait_for(struct mysql *my, int wants)
{
	struct pollfd p = {.fd = mysql_get_socket(&my->lib)};
	int ms = sql_ms_left(my->until);

	p.events = (short)((wants & MYSQL_WAIT_READ ? POLLIN : 0) | (wants & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
			   (wants & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
	if (ms == 0 || poll(&p, 1, ms) <= 0) {
		my->late = true;
		(void)shutdown(p.fd, SHUT_RDWR); /* the library has nothing to wait for any more */
		return MYSQL_WAIT_TIMEOUT;
	}
	return (p.revents & POLLIN ? MYSQL_WAIT_READ : 0) | (p.revents & POLLPRI ? MYSQL_WAIT_EXCEPT : 0) |
	       (p.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0) |
	       (p.revents & (POLLHUP | POLLERR) ? wants & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE) : 0);
}

#define FIRST_OF(first, ...) (first)

/* Runs a call to its end: its arguments are those of the first part, and the first of them is the second part's, too. */
#define FINISH(my, name, result, ...)                                                                                  \
	for (int wants_ = name##_start(result, __VA_ARGS__); wants_ != 0;                                              \
	     wants_ = name##_cont(result, FIRST_OF(__VA_ARGS__, 0), wait_for(my, wants_)))                             \
	continue

/* --- connecting ------------------------------------------------------------------------------------------------- */

/* Errors of the server that another time may not have; those of a connection that is gone (MariaDB's list of error codes). */
static const struct {
	unsigned number;
	bool lost;
} temporary[] = {
	{CR_SERVER_GONE_ERROR, true},    {CR_SERVER_LOST, true},          {CR_SERVER_LOST_EXTENDED, true},
	{CR_COMMANDS_OUT_OF_SYNC, true}, {ER_SERVER_SHUTDOWN, true},      {ER_CONNECTION_KILLED, true},
	{ER_NEED_REPREPARE, true},       {ER_UNKNOWN_STMT_HANDLER, true}, {ER_LOCK_WAIT_TIMEOUT, false},
	{ER_LOCK_DEADLOCK, false},       {ER_QUERY_INTERRUPTED, false},   {ER_STATEMENT_TIMEOUT, false},
	{ER_OUT_OF_RESOURCES, false},    {ER_OUTOFMEMORY, false},         {ER_DISK_FULL, false},
};

static enum err query_failed(struct mysql *my, unsigned number, const char *text, bool *lost, struct why *why)
{
	if (my->late) {
		*lost = true;
		return sql_too_late(why);
	}
	for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++)
		if (temporary[i].number == number) {
			*lost |= temporary[i].lost;
			return sql_query_failed(why, ERR_TEMP, text);
		}
	if ((number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) || number >= CR_EVENT_CREATE_FAILED) {
		*lost = true; /* the library's own */
		return sql_no_connection(why, text);
	}
	/* The data base's encoding has no such character. */
	return sql_query_failed(why, number == ER_CANT_AGGREGATE_2COLLATIONS ? ERR_AUTH : ERR_PERM, text);
}

static void mysql_disconnect(struct sql *db)
{
	struct mysql *my = db->priv;

	if (mysql_get_socket(&my->lib) != MARIADB_INVALID_SOCKET)
		(void)shutdown(mysql_get_socket(&my->lib), SHUT_RDWR); /* so that nothing below can wait */
	for (enum sql_which w = SQL_GETPWNAM; w < SQL_QUERIES; w++) {
		mysql_free_result(my->columns[w]);
		if (my->query[w])
			(void)mysql_stmt_close(my->query[w]);
		my->query[w] = NULL;
		my->columns[w] = NULL;
	}
	mysql_close(&my->lib);
}

static void options_set(struct mysql *my)
{
	my_bool verify = my->tls == TLS_VERIFIED, on = 1;

	(void)mysql_options(&my->lib, MYSQL_OPT_NONBLOCK, NULL);
	(void)mysql_options(&my->lib, MYSQL_SET_CHARSET_NAME, "utf8mb4"); /* names are checked for it */
	if (my->tls == TLS_OFF)
		return;
	(void)mysql_ssl_set(&my->lib, my->key, my->cert, my->ca, NULL, NULL);
	(void)mysql_options(&my->lib, MYSQL_OPT_SSL_ENFORCE, &on);
	(void)mysql_options(&my->lib, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static enum err mysql_connect(struct sql *db, uint64_t until, struct why *why)
{
	struct mysql *my = db->priv;
	const struct conf_sql *cf = db->cf;
	bool local = cf->host && cf->host[0] == '/';
	char passwd[SECRET_MOST + 1];
	MYSQL *made = NULL;

	if (!mysql_init(&my->lib))
		return fail(why, ERR_TEMP, "not enough memory");
	options_set(my);
	my->until = until;
	my->late = false;
	(void)slice_cstr(secret_slice(&db->passwd), passwd, sizeof passwd);
	FINISH(my, mysql_real_connect, &made, &my->lib, local ? NULL : cf->host, cf->user, passwd, cf->db, cf->port.n,
	       local ? cf->host : NULL, 0);
	explicit_bzero(passwd, sizeof passwd);
	if (made)
		return OK;
	enum err err = my->late ? sql_too_late(why) : sql_no_connection(why, mysql_error(&my->lib));

	mysql_disconnect(db);
	return err;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

static enum err prepare(struct sql *db, enum sql_which which, bool *lost, struct why *why)
{
	struct mysql *my = db->priv;
	const struct sql_query *q = &db->query[which];
	int e = 0;

	if (my->query[which])
		return OK;
	MYSQL_STMT *stmt = mysql_stmt_init(&my->lib);

	if (!stmt)
		return fail(why, ERR_TEMP, "not enough memory");
	FINISH(my, mysql_stmt_prepare, &e, stmt, q->text, strlen(q->text));
	enum err err = e == 0 ? OK : query_failed(my, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), lost, why);

	my->columns[which] = err == OK ? mysql_stmt_result_metadata(stmt) : NULL;
	if (err == OK && (!my->columns[which] || mysql_stmt_param_count(stmt) != q->parameters ||
			  mysql_stmt_field_count(stmt) > SQL_COLUMNS_MOST))
		err = fail(why, ERR_PERM, "sql { %s }: a select of at most %d columns, with no variables but $user",
			   sql_statement[which], SQL_COLUMNS_MOST);
	if (err == OK) {
		my->query[which] = stmt;
		return OK;
	}
	mysql_free_result(my->columns[which]);
	my->columns[which] = NULL;
	(void)mysql_stmt_close(stmt);
	return err;
}

static bool parameters_bind(MYSQL_STMT *stmt, const struct slice *value, size_t n)
{
	MYSQL_BIND in[SQL_PARAMETERS_MOST];

	memset(in, 0, sizeof in);
	for (size_t i = 0; i < n; i++) {
		in[i].buffer_type = MYSQL_TYPE_STRING;
		in[i].buffer = (void *)value[i].p;
		in[i].buffer_length = value[i].n;
	}
	return mysql_stmt_bind_param(stmt, in) == 0;
}

static bool columns_bind(struct mysql *my, MYSQL_STMT *stmt, unsigned n)
{
	MYSQL_BIND out[SQL_COLUMNS_MOST];

	memset(out, 0, sizeof out);
	for (unsigned i = 0; i < n; i++) {
		out[i].buffer_type = MYSQL_TYPE_STRING;
		out[i].buffer = my->value[i];
		out[i].buffer_length = VALUE_OCTETS;
		out[i].length = &my->octets[i];
		out[i].is_null = &my->null[i];
	}
	return mysql_stmt_bind_result(stmt, out) == 0;
}

static void row_read(const struct mysql *my, MYSQL_RES *columns, unsigned n, struct sql_row *row)
{
	const MYSQL_FIELD *field = mysql_fetch_fields(columns);

	row->found = true;
	for (unsigned i = 0; i < n; i++) {
		row->full |= my->octets[i] > VALUE_OCTETS && !my->null[i];
		if (!row->full)
			sql_row_add(row, field[i].name, my->null[i] ? NULL : my->value[i], my->octets[i]);
	}
}

/* The first row of what was executed, and whether there is a second. */
static enum err rows_read(struct mysql *my, enum sql_which which, MYSQL_STMT *stmt, struct sql_row *row, bool *lost,
			  struct why *why)
{
	unsigned n = mysql_stmt_field_count(stmt);
	int e = columns_bind(my, stmt, n) ? 0 : 1;

	if (e == 0)
		FINISH(my, mysql_stmt_fetch, &e, stmt);
	if (e == 0 || e == MYSQL_DATA_TRUNCATED) {
		row_read(my, my->columns[which], n, row);
		FINISH(my, mysql_stmt_fetch, &e, stmt);
		row->more = e == 0 || e == MYSQL_DATA_TRUNCATED;
	}
	explicit_bzero(my->value, sizeof my->value);
	return e == 1 ? query_failed(my, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), lost, why) : OK;
}

static enum err mysql_ask(struct sql *db, enum sql_which which, const struct slice *value, uint64_t until,
			  struct sql_row *row, bool *lost, struct why *why)
{
	struct mysql *my = db->priv;
	my_bool unfinished = 0;
	int e = 0;

	my->until = until;
	my->late = false;
	enum err err = prepare(db, which, lost, why);
	MYSQL_STMT *stmt = my->query[which];

	if (err != OK)
		return err;
	if (!parameters_bind(stmt, value, db->query[which].parameters))
		e = 1;
	else
		FINISH(my, mysql_stmt_execute, &e, stmt);
	err = e == 0 ? rows_read(my, which, stmt, row, lost, why)
		     : query_failed(my, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), lost, why);
	if (!*lost)
		FINISH(my, mysql_stmt_free_result, &unfinished, stmt);
	*lost |= unfinished;
	return err;
}

const struct sql_driver sql_driver = {
	.interface = SQL_MYSQL,
	.name = "mysql",
	.dialect = {.double_quotes = true, .hash_comments = true},
	.open = mysql_driver_open,
	.connect = mysql_connect,
	.ask = mysql_ask,
	.disconnect = mysql_disconnect,
	.close = mysql_driver_close,
};
