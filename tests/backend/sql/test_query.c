/* Queries of the configuration: what becomes a placeholder, what is refused, and what is bound for any name. */
#include "backend/sql/query.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

static const struct sql_dialect postgres = {.numbered = true}, mysql = {.double_quotes = true, .hash_comments = true},
				sqlite = {0};

struct made {
	struct arena *arena;
	struct sql_query q;
	struct why why;
	enum err err;
};

static struct made make(const char *template, const struct sql_dialect *d)
{
	struct made m = {.arena = arena_new(1 << 16)};

	assert_non_null(m.arena);
	m.err = sql_query_read(&m.q, m.arena, "getpwnam", slice_str(template), d, &m.why);
	return m;
}

/* "TEXT | VALUE | VALUE", of a user. */
static void show(const struct made *m, const char *user, char *dst, size_t cap)
{
	char octets[8192];
	struct buf values = BUF(octets), out = {.p = dst, .cap = cap - 1};
	struct slice value[SQL_PARAMETERS_MOST];

	assert_int_equal(sql_query_values(&m->q, slice_str(user), &values, value, NULL), OK);
	buf_str(&out, m->q.text);
	for (size_t i = 0; i < m->q.parameters; i++) {
		buf_str(&out, " | ");
		buf_put(&out, value[i]);
		assert_int_equal(value[i].p[value[i].n], '\0');
	}
	assert_false(out.full);
	dst[out.len] = '\0';
}

static const struct {
	const char *template;
	const struct sql_dialect *d;
	const char *made; /* for ann@x.org */
} turned[] = {
	{"select * from u where name='$user'", &sqlite, "select * from u where name=? | ann@x.org"},
	{"select * from u where name='$user'", &postgres, "select * from u where name=$1 | ann@x.org"},
	{"select * from u where name='${user}'", &mysql, "select * from u where name=? | ann@x.org"},
	{"select * from u where name=\"$user\"", &mysql, "select * from u where name=? | ann@x.org"},
	{"select * from u where name=$user", &sqlite, "select * from u where name=? | ann@x.org"},
	{"select * from u where name = ${user} limit 1;  ", &postgres,
	 "select * from u where name = $1 limit 1 | ann@x.org"},
	{"select f('$user',$user)", &postgres, "select f($1,$2) | ann@x.org | ann@x.org"},
	{"select f('$user@example.org')", &postgres, "select f($1) | ann@x.org@example.org"},
	{"select f('prefix-${user}x')", &mysql, "select f(?) | prefix-ann@x.orgx"},
	{"select f('$user:$user')", &sqlite, "select f(?) | ann@x.org:ann@x.org"},
	{"select f('it''s $user')", &sqlite, "select f(?) | it's ann@x.org"},
	{"select f('$(localpart $user)', '$(domainpart ${user})')", &sqlite, "select f(?, ?) | ann | x.org"},
	{"select f($(localpart ${user}))", &sqlite, "select f(?) | ann"},
	{"select f(${user:-nobody})", &sqlite, "select f(?) | ann@x.org"},
	{"select f('${user:+is }$user')", &sqlite, "select f(?) | is ann@x.org"},
	{"select '$user'::text", &postgres, "select $1::text | ann@x.org"},
	{"select u.a, \"Q\", `b`, 'c''d', 'e$', '^f$' from u where n='$user'", &sqlite,
	 "select u.a, \"Q\", `b`, 'c''d', 'e$', '^f$' from u where n=? | ann@x.org"},
	{"select 'DOM\\dir' from u where n='$user'", &postgres, "select 'DOM\\dir' from u where n=$1 | ann@x.org"},
	{"select data ? 'k' from u where n='$user'", &postgres, "select data ? 'k' from u where n=$1 | ann@x.org"},
	{"select 'why?' from u where n='$user' -- it's $user's\n and 1", &sqlite,
	 "select 'why?' from u where n=? -- it's $user's\n and 1 | ann@x.org"},
	{"select 1 #\n from u where n='$user'", &mysql, "select 1 #\n from u where n=? | ann@x.org"},
	{"select /* don't */ 1 where n='$user'", &mysql, "select /* don't */ 1 where n=? | ann@x.org"},
	{"select 'x'", &sqlite, "select 'x'"},
	{"select '' where n='$user'", &sqlite, "select '' where n=? | ann@x.org"},
};

static void test_turned(void **state)
{
	char shown[512];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(turned); i++) {
		struct made m = make(turned[i].template, turned[i].d);

		check_row(i, m.why.text, m.err == OK);
		show(&m, "ann@x.org", shown, sizeof shown);
		check_row(i, shown, strcmp(shown, turned[i].made) == 0);
		arena_free(m.arena);
	}
}

static const struct {
	const char *template;
	const struct sql_dialect *d;
	const char *says; /* a part of the sentence */
} refused[] = {
	{"", &sqlite, "a query is expected"},
	{" ; ", &sqlite, "a query is expected"},
	{"select * from t_$user", &sqlite, "name of a table"},
	{"select * from ${user}_t", &sqlite, "name of a table"},
	{"select * from s.$user", &sqlite, "name of a table"},
	{"select * from $user.t", &sqlite, "name of a table"},
	{"select * from \"$user\"", &postgres, "name of a table"},
	{"select * from \"$user\"", &sqlite, "write '$user'"},
	{"select * from `$user`", &mysql, "name of a table"},
	{"select E'$user'", &postgres, "no prefix"},
	{"select U&'$user'", &postgres, "no prefix"},
	{"select _latin1'$user'", &mysql, "no prefix"},
	{"select 'a\\n$user'", &mysql, "no backslash"},
	{"select 'it\\'s', '$user'", &mysql, "double the quote"},
	{"select '$user\\', 1 --'", &mysql, "double the quote"},
	{"select '$user", &sqlite, "a quote is not closed"},
	{"select \"a from b where n='$user'", &sqlite, "a quote is not closed"},
	{"select 1 where n='$usr'", &sqlite, "unknown variable `usr'; there is $user"},
	{"select 1 where n=$passwd", &sqlite, "unknown variable `passwd'"},
	{"select 1 where n=$1", &postgres, "unknown variable `1'"},
	{"select 1 where n='${user:-$other}'", &sqlite, "unknown variable `other'"},
	{"select 1 where n='$(localpart $name)'", &sqlite, "unknown variable `name'"},
	{"select $$x$$ where n='$user'", &postgres, "single quotes"},
	{"select $tag$x$tag$", &postgres, "unknown variable `tag'"},
	{"select 1 where n=? and m='$user'", &sqlite, "write $user"},
	{"select 1 ${user:+where n=1}", &sqlite, "piece of SQL"},
	{"select 1; drop table u", &sqlite, "one query"},
	{"select 1 where n='$(shell id)'", &sqlite, "commands are not run here"},
	{"select 1 where n='$(bogus x)'", &sqlite, "unknown function"},
	{"select $user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user,$user",
	 &sqlite, "too many variables"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(refused); i++) {
		struct made m = make(refused[i].template, refused[i].d);

		check_row(i, refused[i].template, m.err == ERR_PERM);
		check_row(i, m.why.text,
			  strstr(m.why.text, "sql { getpwnam }: ") && strstr(m.why.text, refused[i].says));
		arena_free(m.arena);
	}
}

/* Names that would be SQL, were they part of the text. */
static const char *const names[] = {
	"o'brien",
	"x' OR '1'='1",
	"x'; drop table users; --",
	"\\",
	"\\'",
	"' or 1=1 #",
	"a\"b",
	"%",
	"_",
	"$user",
	"${user}",
	"$(shell id)",
	"?",
	"$1",
	"''",
	"\xc3\xa4",
	"; select 1",
	"/*",
	"*/",
	"--",
	"`",
	"name\t",
};

static void test_names_stay_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		char shown[256], expected[256];
		struct made m = make("select 1 where a='$user' and b=$user and c='<$user>'", &postgres);

		assert_int_equal(m.err, OK);
		show(&m, names[i], shown, sizeof shown);
		(void)snprintf(expected, sizeof expected, "select 1 where a=$1 and b=$2 and c=$3 | %s | %s | <%s>",
			       names[i], names[i], names[i]);
		check_row(i, shown, strcmp(shown, expected) == 0);
		arena_free(m.arena);
	}
}

static void test_name_that_is_too_long(void **state)
{
	char name[5000], octets[8192];
	struct buf values = BUF(octets);
	struct slice value[SQL_PARAMETERS_MOST];
	struct made m = make("select '$user', '$user'", &sqlite);

	(void)state;
	memset(name, 'a', sizeof name);
	check(sql_query_values(&m.q, (struct slice){name, sizeof name}, &values, value, &m.why) == ERR_AUTH);
	arena_free(m.arena);
}

static const struct {
	const char *text;
	bool is;
} encoded[] = {
	{"", true},
	{"alice", true},
	{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
	{"\xff", false},
	{"a\xc3", false},
	{"\xc3(", false},
	{"\x80", false},
	{"\xc0\xaf", false},         /* a slash in two octets */
	{"\xe0\x80\xaf", false},     /* and in three */
	{"\xed\xa0\x80", false},     /* half of a pair of UTF-16 */
	{"\xf4\x90\x80\x80", false}, /* behind the last character */
	{"\xf4\x8f\xbf\xbf", true},
	{"\xf8\x88\x80\x80\x80", false},
};

static void test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(encoded); i++)
		check_row(i, encoded[i].text, sql_is_utf8(slice_str(encoded[i].text)) == encoded[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turned),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_names_stay_values),
		cmocka_unit_test(test_name_that_is_too_long),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
