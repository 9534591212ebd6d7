/* backend/sql/postgres.c - PostgreSQL, as a driver of the module `sql'
 *
 * libpq is asked without blocking, with poll(2) between, so that every wait ends in time. `param' is a connection string of libpq:
 * "sslmode=verify-full sslrootcert=/etc/ssl/ca.pem". */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/sql/sql.h"

enum { OPTIONS_MOST = 80, BPCHAR = 1042 /* the type character(n), which is filled up with blanks */ };

struct postgres {
	PGconn *lib;
	bool prepared[SQL_QUERIES];
	PQconninfoOption *param;
	const char *host; /* a name, an address, or the directory of a socket */
	char port[8];
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* host may be the socket itself, "/run/postgresql/.s.PGSQL.5432": libpq wants its directory, and the port. */
static enum err host_read(struct sql *db, struct postgres *pg, struct why *why)
{
	static const char socket[] = "/.s.PGSQL.";
	const char *host = db->cf->host;
	const char *name = host && host[0] == '/' ? strstr(host, socket) : NULL;

	if (db->cf->port.given)
		(void)snprintf(pg->port, sizeof pg->port, "%u", db->cf->port.n);
	pg->host = host;
	if (!name)
		return OK;
	(void)snprintf(pg->port, sizeof pg->port, "%.7s", name + strlen(socket));
	pg->host = arena_str(db->arena, (struct slice){host, (size_t)(name - host)});
	return pg->host ? OK : fail(why, ERR_TEMP, "not enough memory");
}

static enum err param_read(struct postgres *pg, const char *param, struct why *why)
{
	char *text = NULL;

	pg->param = PQconninfoParse(param, &text);
	enum err err = pg->param ? OK
				 : fail(why, ERR_PERM, "sql { param }: %.*s", (int)strcspn(text ? text : "", "\n"),
					text ? text : "");

	PQfreemem(text);
	return err;
}

static enum err postgres_open(struct sql *db, struct why *why)
{
	struct postgres *pg = db->priv = calloc(1, sizeof *pg);

	if (!pg)
		return fail(why, ERR_TEMP, "not enough memory");
	enum err err = host_read(db, pg, why);

	return err == OK && db->cf->param ? param_read(pg, db->cf->param, why) : err;
}

static void postgres_close(struct sql *db)
{
	struct postgres *pg = db->priv;

	if (pg)
		PQconninfoFree(pg->param);
	free(pg);
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

static bool wait_for(const struct postgres *pg, short events, uint64_t until)
{
	struct pollfd p = {.fd = PQsocket(pg->lib), .events = events};
	int ms = sql_ms_left(until);

	return ms > 0 && poll(&p, 1, ms) > 0;
}

/* Sends what there is to send. */
static enum err flush(struct postgres *pg, uint64_t until, struct why *why)
{
	int e;

	while ((e = PQflush(pg->lib)) == 1) {
		if (!wait_for(pg, POLLIN | POLLOUT, until))
			return sql_too_late(why);
		if (!PQconsumeInput(pg->lib))
			break;
	}
	return e == 0 ? OK : sql_no_connection(why, PQerrorMessage(pg->lib));
}

/* The next result, NULL behind the last one. */
static enum err next_result(struct postgres *pg, uint64_t until, PGresult **out, struct why *why)
{
	*out = NULL;
	while (PQisBusy(pg->lib)) {
		if (!wait_for(pg, POLLIN, until))
			return sql_too_late(why);
		if (!PQconsumeInput(pg->lib))
			return sql_no_connection(why, PQerrorMessage(pg->lib));
	}
	*out = PQgetResult(pg->lib);
	return OK;
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

struct options {
	const char *key[OPTIONS_MOST + 1], *value[OPTIONS_MOST + 1];
	size_t n;
};

/* Later ones count. */
static void option_add(struct options *o, const char *key, const char *value)
{
	if (!value || !*value || o->n == OPTIONS_MOST)
		return;
	o->key[o->n] = key;
	o->value[o->n++] = value;
}

static void options_make(const struct sql *db, struct options *o, const char *passwd)
{
	const struct postgres *pg = db->priv;

	option_add(o, "application_name", "pop3d");
	option_add(o, "host", pg->host);
	option_add(o, "port", pg->port);
	option_add(o, "dbname", db->cf->db);
	option_add(o, "user", db->cf->user);
	option_add(o, "password", passwd);
	for (const PQconninfoOption *p = pg->param; p && p->keyword; p++)
		option_add(o, p->keyword, p->val);
	option_add(o, "client_encoding", "UTF8"); /* names are checked for it */
}

static void postgres_disconnect(struct sql *db)
{
	struct postgres *pg = db->priv;

	PQfinish(pg->lib);
	pg->lib = NULL;
	memset(pg->prepared, 0, sizeof pg->prepared);
}

static enum err connect_wait(struct postgres *pg, uint64_t until, struct why *why)
{
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;

	while (s != PGRES_POLLING_OK) {
		if (s == PGRES_POLLING_FAILED)
			return sql_no_connection(why, PQerrorMessage(pg->lib));
		if (!wait_for(pg, s == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
			return sql_too_late(why);
		s = PQconnectPoll(pg->lib);
	}
	if (PQsetnonblocking(pg->lib, 1) < 0)
		return sql_no_connection(why, PQerrorMessage(pg->lib));
	return OK;
}

static void on_notice(void *arg, const PGresult *r)
{
	(void)arg; /* it would be written to standard error otherwise */
	(void)r;
}

static enum err postgres_connect(struct sql *db, uint64_t until, struct why *why)
{
	struct postgres *pg = db->priv;
	struct options o = {.n = 0};
	char passwd[SECRET_MOST + 1];

	(void)slice_cstr(secret_slice(&db->passwd), passwd, sizeof passwd);
	options_make(db, &o, passwd);
	pg->lib = PQconnectStartParams(o.key, o.value, 0);
	explicit_bzero(passwd, sizeof passwd);
	if (!pg->lib)
		return fail(why, ERR_TEMP, "not enough memory");
	(void)PQsetNoticeReceiver(pg->lib, on_notice, NULL);
	enum err err = PQstatus(pg->lib) == CONNECTION_BAD ? sql_no_connection(why, PQerrorMessage(pg->lib))
							   : connect_wait(pg, until, why);

	if (err != OK)
		postgres_disconnect(db);
	return err;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

/* What the first octets of an SQLSTATE say, where it is not that the query is wrong (PostgreSQL's manual, appendix A). */
static const struct {
	const char *state;
	enum err err;
	bool lost;
} states[] = {
	{"08", ERR_TEMP, true},    /* connection */
	{"57P", ERR_TEMP, true},   /* the server ends */
	{"26", ERR_TEMP, true},    /* the prepared query is gone: a pool of connections lies between */
	{"0A000", ERR_TEMP, true}, /* a table was changed: prepare it anew */
	{"40", ERR_TEMP, false},   /* conflict of transactions */
	{"53", ERR_TEMP, false},   /* out of something */
	{"55P03", ERR_TEMP, false}, {"57", ERR_TEMP, false},    {"58", ERR_TEMP, false},
	{"22021", ERR_AUTH, false}, {"22P05", ERR_AUTH, false}, /* the data base's encoding has no such character */
};

static enum err result_failed(struct postgres *pg, const PGresult *r, bool *lost, struct why *why)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	for (size_t i = 0; state && i < sizeof states / sizeof *states; i++) {
		if (strncmp(state, states[i].state, strlen(states[i].state)) != 0)
			continue;
		*lost |= states[i].lost;
		return sql_query_failed(why, states[i].err, PQresultErrorMessage(r));
	}
	if (state)
		return sql_query_failed(why, ERR_PERM, PQresultErrorMessage(r));
	*lost = true; /* the library's own: nothing comes any more */
	return sql_no_connection(why, PQerrorMessage(pg->lib));
}

static void row_read(const PGresult *r, struct sql_row *row)
{
	row->more = row->found;
	if (row->found)
		return;
	row->found = true;
	for (int i = 0; i < PQnfields(r); i++) {
		const char *value = PQgetvalue(r, 0, i);
		size_t n = (size_t)PQgetlength(r, 0, i);

		while (PQftype(r, i) == BPCHAR && n > 0 && value[n - 1] == ' ')
			n--;
		sql_row_add(row, PQfname(r, i), PQgetisnull(r, 0, i) ? NULL : value, n);
	}
}

/* Takes all results of what was sent. row NULL: it has none. */
static enum err results_read(struct postgres *pg, uint64_t until, struct sql_row *row, bool *lost, struct why *why)
{
	enum err err = flush(pg, until, why), first = OK;
	PGresult *r = NULL;

	while (err == OK && (err = next_result(pg, until, &r, why)) == OK && r) {
		ExecStatusType s = PQresultStatus(r);

		if (s == PGRES_SINGLE_TUPLE && row)
			row_read(r, row);
		else if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && first == OK)
			first = result_failed(pg, r, lost, why);
		PQclear(r);
	}
	*lost |= err != OK ||
		 PQstatus(pg->lib) == CONNECTION_BAD; /* in the middle of an answer it can be asked nothing else */
	return first != OK ? first : err;
}

static enum err prepare(struct sql *db, enum sql_which which, uint64_t until, bool *lost, struct why *why)
{
	struct postgres *pg = db->priv;

	if (pg->prepared[which])
		return OK;
	*lost = !PQsendPrepare(pg->lib, sql_statement[which], db->query[which].text, 0, NULL);
	enum err err =
		*lost ? sql_no_connection(why, PQerrorMessage(pg->lib)) : results_read(pg, until, NULL, lost, why);

	pg->prepared[which] = err == OK;
	return err;
}

static enum err postgres_ask(struct sql *db, enum sql_which which, const struct slice *value, uint64_t until,
			     struct sql_row *row, bool *lost, struct why *why)
{
	struct postgres *pg = db->priv;
	const char *text[SQL_PARAMETERS_MOST];
	enum err err = prepare(db, which, until, lost, why);

	if (err != OK)
		return err;
	for (size_t i = 0; i < db->query[which].parameters; i++)
		text[i] = value[i].p; /* with a NUL behind it */
	*lost = !PQsendQueryPrepared(pg->lib, sql_statement[which], (int)db->query[which].parameters, text, NULL, NULL,
				     0) ||
		!PQsetSingleRowMode(pg->lib);
	return *lost ? sql_no_connection(why, PQerrorMessage(pg->lib)) : results_read(pg, until, row, lost, why);
}

const struct sql_driver sql_driver = {
	.interface = SQL_POSTGRES,
	.name = "postgres",
	.dialect = {.numbered = true},
	.open = postgres_open,
	.connect = postgres_connect,
	.ask = postgres_ask,
	.disconnect = postgres_disconnect,
	.close = postgres_close,
};
