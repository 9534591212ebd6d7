/* Variables and commands in templates. */
#include "given.h"

static const struct conf_var vars[] = {
	{"user", TEXT("bob@example.org")},
	{"empty", TEXT("")},
	{"tricky", TEXT("$user ${user} $(localpart x)")},
	{"n", TEXT("7")},
};

/* The shell of these tests writes back what it was to run. */
static enum err echo(void *arg, struct slice command, struct buf *out, struct why *why)
{
	(void)arg;
	if (slice_eq(command, SLICE("false")))
		return fail(why, ERR_TEMP, "it failed");
	buf_put(out, command);
	buf_str(out, "\nsecond\n");
	return OK;
}

static const struct {
	const char *template, *expanded; /* NULL: an error with these words */
	const char *error;
} templates[] = {
	{"", "", NULL},
	{"/var/mail/x", "/var/mail/x", NULL},
	{"/var/mail/${user}", "/var/mail/bob@example.org", NULL},
	{"$user/$n$n", "bob@example.org/77", NULL},
	{"${user}s $users", "bob@example.orgs ", NULL},
	{"$unset${unset}", "", NULL},
	{"$", "$", NULL},
	{"a$ b$$n $-", "a$ b$7 $-", NULL},
	{"'${user}' \"$n\" \\$n", "'bob@example.org' \"7\" \\7", NULL},
	{"$tricky", "$user ${user} $(localpart x)", NULL}, /* what is inserted is not expanded */
	/* with words */
	{"${user:-x}${n-x}", "bob@example.org7", NULL},
	{"${unset:-x y}${empty:-z}", "x yz", NULL},
	{"${unset-x}[${empty-z}]", "x[]", NULL},
	{"${user:+x}${empty:+y}${unset:+z}${empty+w}", "xw", NULL},
	{"${unset:-${n}${user:+x}}", "7x", NULL},
	{"${unset:-$(localpart ${user})}", "bob", NULL},
	{"${a:=x$n} $a ${a:-y}", "x7 x7 x7", NULL},
	{"${empty:=x} $empty", "x x", NULL},
	{"${n:?no number}", "7", NULL},
	{"${unset:?no $n}", NULL, "unset: no 7"},
	{"${empty:?none}", NULL, "empty: none"},
	{"${empty?none}", "", NULL},
	/* commands */
	{"$(localpart $user) at $(domainpart $user)", "bob at example.org", NULL},
	{"$(localpart bob)$(domainpart bob)", "bob", NULL},
	{"$(localpart a@b@c) $(domainpart a@b@c)", "a@b c", NULL},
	{"$(localpart ${n}@x)", "7", NULL},
	{"$( localpart  $user )", "bob", NULL},
	{"$(localpart \"a b@c\")", "a b", NULL},
	{"$(localpart)", NULL, "localpart: bad number of arguments"},
	{"$(domainpart a b)", NULL, "domainpart: bad number of arguments"},
	{"$(bogus x)", NULL, "cannot expand line `$(bogus x)': bogus: unknown function"},
	{"$()", NULL, "unknown function"},
	{"[$(shell echo ${user} (x))]", "[echo ${user} (x) second]", NULL},
	{"$(shell false)", NULL, "it failed"},
	/* what cannot be read */
	{"${user", NULL, "missing close bracket"},
	{"$(localpart x", NULL, "missing close bracket"},
	{"${}", NULL, "bad substitution"},
	{"${user!}", NULL, "bad substitution"},
	{"${user:}", NULL, "bad substitution"},
	{"${user:x}", NULL, "bad substitution"},
};

static void test_templates(void **state)
{
	static const struct conf_shell shell = {.run = echo};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(templates); i++) {
		char text[512];
		struct buf out = {.p = text, .cap = sizeof text - 1};
		struct why why = {""};
		enum err err =
			conf_expand(&out, slice_str(templates[i].template), vars, TABLE_ROWS(vars), &shell, &why);

		text[out.len] = '\0';
		check_row(i, templates[i].template, (err == OK) == (templates[i].expanded != NULL));
		check_row(i, templates[i].template, err != OK || strcmp(text, templates[i].expanded) == 0);
		check_row(i, templates[i].template, err == OK || strstr(why.text, templates[i].error));
	}
}

static void test_no_shell(void **state)
{
	char text[64];
	struct buf out = BUF(text);
	struct why why;

	(void)state;
	check(conf_expand(&out, SLICE("$(shell true)"), NULL, 0, NULL, &why) == ERR_PERM);
	check(strstr(why.text, "commands are not run here") != NULL);
}

/* Neither too little room nor any depth does harm. */
static void test_bounds(void **state)
{
	static char deep[80000];
	char text[8];
	struct buf out = BUF(text);
	struct why why;
	char *to = deep;

	(void)state;
	check(conf_expand(&out, SLICE("${user}"), vars, TABLE_ROWS(vars), NULL, &why) == OK && out.full);
	for (unsigned i = 0; i < 10000; i++)
		to = stpcpy(to, "${a:-");
	memset(to, '}', 10000);
	out = BUF(text);
	check(conf_expand(&out, slice_str(deep), NULL, 0, NULL, &why) == ERR_PERM &&
	      strstr(why.text, "nested too deeply"));
	out = BUF(text);
	check(conf_expand(&out, SLICE("${a=}${b=}${c=}${d=}${e=}${f=}${g=}${h=}${i=}"), NULL, 0, NULL, &why) ==
	      ERR_PERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_no_shell),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
