/* Every row of the table: its own facts, a good value that reaches its member, bad ones that are refused. */
#include "given.h"

#include "conf/kinds.h"

/* Values of each kind. `good` differs from every default; with `words` it is the last word. */
static const struct {
	const char *good, *bad[4];
} samples[KIND_COUNT] = {
	[KIND_BOOL] = {NULL, {"YES", "y", "\"\"", "2"}},
	[KIND_NUMBER] = {NULL, {"x", "1x", "99999999999", "(1, 2)"}},
	[KIND_TIME] = {NULL, {"x", "60s", "\"1 2 h\"", "99999999999"}},
	[KIND_STRING] = {"x-y", {"(a, b)", "a b"}},
	[KIND_PATH] = {"/x/y", {"x", "\"\"", "(a)"}},
	[KIND_TEMPLATE] = {"\"/x/${user}\"", {"\"$(foo)\"", "\"${user\"", "(a)"}},
	[KIND_WORD] = {NULL, {"no-such-word", "\"\"", "(a)"}},
	[KIND_NAME] = {NULL, {"no-such-word", "\"\"", "(a)"}},
	[KIND_NUMBERED] = {"7", {"no-such-word", "99999999999", "-1"}},
	[KIND_FACILITY] = {"7", {"no-such-word", "24", "-1"}},
	[KIND_PORT] = {"995", {"65536", "no-such-service", "(1)"}},
	[KIND_OWNER] = {"7", {"no-such-user", "-1", "(1)"}},
	[KIND_CHECKS] = {"(none, linkwrdir)", {"x", "(all, x)", "((all))"}},
	[KIND_SECRET] = {"x", {"(a)", "a b"}},
	[KIND_MAP] = {"(name=x, uid=y)", {"x", "name=x:y", "(=x)"}},
	[KIND_CHAIN] = {"(generic, pam)", {"x", "generic:x", "generic pam", "(generic, x)"}},
	[KIND_DEBUG] = {"auth", {"(auth)", "auth acl"}},
	[KIND_PRIORITIES] = {"PFS", {"x", "\"NORMAL:+MD5\"", "NONE", "(NORMAL)"}},
	[KIND_NETWORKS] = {"(10.0.0.0/8, 2001:db8::1)", {"10.0.0.0/33", "10.0.0.1/x", "(from, 10.0.0.1)", "10.1"}},
	[KIND_SERVERS] = {"(10.0.0.1, \"[2001:db8::1]:1812\", radius.example.com:1645)",
			  {"x:port", "(a, \"[::1\")", "a b", "x:65536"}},
	[KIND_ACL] = {"from 10.0.0.0/8", {"from", "10.0.0.0/33", "(any)", "10.0.0.1/x"}},
	[KIND_SPOOL] = {"/x", {"\"\"", "/x=", "(a)"}},
	[KIND_UIDL_FORMAT] = {"dovecot \"%u\"", {"x", "dovecot", "courier x", "dovecot a b"}},
	[KIND_BULLETIN_NEW] = {"since 2026-01-31", {"x", "since", "since 2026-02-31x", "none 2026-01-01"}},
	[KIND_FILE] = {"/x/y", {"x", "\"\"", "(a)", "/x /y"}},
	[KIND_LOCK_FLAGS] = {"P", {"(P)", "P E"}},
};

/* The value that differs from the default; written into dst. */
static const char *good_value(const struct statement *st, char *dst, size_t cap)
{
	bool yes = st->def && strcmp(st->def, "yes") == 0;
	const struct word *w = st->words ? st->words->word : NULL;

	if (samples[st->kind].good && st->kind != KIND_ACL)
		return samples[st->kind].good;
	if (st->kind == KIND_ACL) {
		bool program = strcmp(st->keyword, "exec") == 0 || strcmp(st->keyword, "ifexec") == 0;

		return program ? "from 10.0.0.0/8 /bin/true x" : samples[KIND_ACL].good;
	}
	if (st->kind == KIND_BOOL)
		return yes ? "no" : "yes";
	if (w) {
		while (w[1].name)
			w++;
		return w->name;
	}
	(void)snprintf(dst, cap, "%llu", (unsigned long long)(st->max ? st->max : 4294967294));
	return dst;
}

/* The block that rows are tried in, with the one around it and their labels; NULL: the top level. `inside` is its text. */
static void write_block(char *dst, size_t cap, const struct block *b, const char *inside)
{
	bool in_server = b && strcmp(b->parent, "server") == 0, in_auth = b && strcmp(b->parent, "auth") == 0;
	const char *outer = in_server ? "server 127.0.0.1 { " : in_auth ? "auth { " : "";

	if (b)
		(void)snprintf(dst, cap, "%s%s%s { %s }%s", outer, b->keyword, b->label ? " 127.0.0.1" : "", inside,
			       *outer ? " }" : "");
	else
		(void)snprintf(dst, cap, "%s", inside);
}

static struct loaded load_statement(const struct block *b, const struct statement *st, const char *value, char *text,
				    size_t cap)
{
	char inside[256];

	(void)snprintf(inside, sizeof inside, "%s %s;", st->keyword, value);
	write_block(text, cap, b, inside);
	return given_text(text);
}

/* Where the member of a row is, in a loaded configuration. */
static const char *member(const struct conf *cf, const struct block *b, const struct statement *st)
{
	const char *base = (const char *)cf;

	if (b && (strcmp(b->group, "server") == 0 || strcmp(b->parent, "server") == 0))
		base = (const char *)&cf->servers[0];
	return base + (b ? b->at : 0) + st->at;
}

static size_t member_octets(const struct statement *st)
{
	static const size_t octets[KIND_COUNT] = {
		[KIND_BOOL] = sizeof(bool),
		[KIND_NUMBER] = sizeof(uint32_t),
		[KIND_TIME] = sizeof(struct seconds),
		[KIND_WORD] = sizeof(int),
		[KIND_NUMBERED] = sizeof(int),
		[KIND_FACILITY] = sizeof(int),
		[KIND_PORT] = sizeof(struct conf_port),
		[KIND_OWNER] = sizeof(struct conf_owner),
		[KIND_CHECKS] = sizeof(struct conf_checks),
		[KIND_SECRET] = sizeof(struct secret),
		[KIND_MAP] = sizeof(struct conf_map),
		[KIND_CHAIN] = sizeof(struct conf_list),
		[KIND_DEBUG] = sizeof(struct conf_debug),
		[KIND_NETWORKS] = sizeof(struct conf_acl),
	};

	return octets[st->kind] ? octets[st->kind] : sizeof(char *);
}

static void try_row(const struct block *b, const struct statement *st)
{
	char text[512], number[32];
	struct loaded with, without;

	write_block(text, sizeof text, b, "");
	without = given_text(text);
	check_row(0, text, without.status == 0);
	with = load_statement(b, st, good_value(st, number, sizeof number), text, sizeof text);
	check_row(0, text, with.status == 0);
	if (st->kind != KIND_LOCK_FLAGS)
		check_row(0, text, memcmp(member(with.cf, b, st), member(without.cf, b, st), member_octets(st)) != 0);
	given_free(&with);
	given_free(&without);
	check_row(0, text, samples[st->kind].bad[0] != NULL);
	for (size_t i = 0; i < 4 && samples[st->kind].bad[i]; i++) {
		with = load_statement(b, st, samples[st->kind].bad[i], text, sizeof text);
		check_row(i, text, with.status != 0);
		check_row(i, text, strstr(with.said, "; expected ") || strstr(with.said, "; it takes "));
		given_free(&with);
	}
}

static void test_every_statement(void **state)
{
	size_t tried = 0;

	(void)state;
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		if (*st->group == '\0') {
			try_row(NULL, st);
			tried++;
		}
		for (const struct block *b = blocks; b < blocks + blocks_n; b++) {
			if (strcmp(b->group, st->group) == 0) {
				try_row(b, st);
				tried++;
			}
		}
	}
	check(tried > statements_n);
}

/* Rows that fill the same member on purpose. */
static bool may_share(const struct statement *st)
{
	return st->kind == KIND_ACL || st->kind == KIND_LOCK_FLAGS || st->kind == KIND_SPOOL ||
	       strcmp(st->keyword, "mailbox-pattern") == 0 || strcmp(st->keyword, "retry-timeout") == 0;
}

/* The struct that a row fills: those of tls, server and acl have their own, all others share struct conf. */
static const char *filled_struct(const struct statement *st)
{
	static const char *const own[] = {"tls", "server", "acl"};

	for (size_t i = 0; i < TABLE_ROWS(own); i++)
		if (strcmp(own[i], st->group) == 0)
			return own[i];
	return "conf";
}

static void test_no_two_rows_fill_one_member(void **state)
{
	(void)state;
	for (const struct statement *a = statements; a < statements + statements_n; a++)
		for (const struct statement *b = statements; b < a; b++)
			check_row(0, a->keyword,
				  a->at != b->at || filled_struct(a) != filled_struct(b) || may_share(a) ||
					  may_share(b));
}

/* The table says of itself what it must. */
static void test_rows(void **state)
{
	(void)state;
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		bool worded = st->kind == KIND_WORD || st->kind == KIND_NAME || st->kind == KIND_NUMBERED ||
			      st->kind == KIND_FACILITY || st->kind == KIND_UIDL_FORMAT ||
			      st->kind == KIND_BULLETIN_NEW;
		size_t same = 0;
		char expected[400];

		for (const struct statement *other = statements; other < statements + statements_n; other++)
			same += strcmp(other->keyword, st->keyword) == 0 && strcmp(other->group, st->group) == 0;
		kind_expected(st, expected, sizeof expected);
		check_row(0, st->keyword, same == 1);
		check_row(0, st->keyword, *st->arg && *st->help && *expected);
		check_row(0, st->keyword, !worded || st->words);
		check_row(0, st->keyword, !block_find(st->group, st->keyword));
		check_row(0, st->keyword, (st->honour == HONOURED) == (st->effect != NULL));
		check_row(0, st->keyword, strlen(expected) < sizeof expected - 1);
	}
}

/* Values of enum types fit the int that their parser writes. */
static void test_enums_are_ints(void **state)
{
	const struct conf *cf = NULL;

	(void)state;
	check(sizeof cf->mode == sizeof(int) && sizeof cf->tls_mode == sizeof(int) &&
	      sizeof cf->auth.plaintext_login == sizeof(int) && sizeof cf->locking.type == sizeof(int) &&
	      sizeof cf->sql.interface == sizeof(int) && sizeof cf->sql.password_encryption == sizeof(int) &&
	      sizeof cf->expire_mark == sizeof(int) && sizeof cf->mailbox.mbox_quoting == sizeof(int));
}

/* What an administrator gets who says nothing. */
static void test_defaults(void **state)
{
	struct conf *cf = conf_default();

	(void)state;
	assert_non_null(cf);
	check(cf->mode == MODE_INETD && !cf->foreground && cf->logging.syslog);
	check(cf->timeout.n == 600 && cf->login_timeout.n == 60 && cf->client_wait.n == 10 &&
	      cf->shutdown_timeout.n == 30 && cf->login_delay.n == 0);
	check(cf->max_children == UINT32_MAX && cf->expire_days == UINT32_MAX && cf->max_per_address == 0);
	check(cf->line_limit == 1024 && cf->sasl_line_limit == 12288 && cf->output_buffer_size == 65536);
	check(cf->port.n == 110 && !cf->port.given && cf->nservers == 0);
	check(cf->auth.min_uid == 1 && cf->auth.failure_delay.n == 2 && cf->auth.cache.ttl.n == 300 &&
	      cf->auth.cache.negative_ttl.n == 30 && cf->auth.cache.size == 100000);
	check(cf->auth.penalty.enable && cf->auth.penalty.most.n == 15 && cf->auth.lockout_failures == 20 &&
	      cf->auth.lockout_time.n == 0 && cf->auth.penalty.exempt.n == 2);
	check(cf->auth.authorization.n == 7 && !cf->auth.authorization.given);
	check(strcmp(cf->auth.authentication.item[6], "ldap") == 0);
	check(strcmp(cf->mailbox.pattern, "/var/mail/${user}") == 0 && strcmp(cf->mailbox.mailbox_type, "mbox") == 0);
	check(strcmp(cf->virtdomain_dir, "/etc/domain") == 0 && strcmp(cf->front_user, "_pop3d") == 0);
	check(strcmp(cf->mailbox.index, "auto") == 0 && cf->mailbox.session_lock_wait.n == 5);
	check(cf->tls_file_checks.key.bits == (CHECK_GWRFIL | CHECK_AWRFIL | CHECK_GRDFIL | CHECK_ARDFIL));
	check(cf->tls_file_checks.cert.bits == (CHECK_GWRFIL | CHECK_AWRFIL) &&
	      cf->apop_database_safety.bits == CHECK_ALL);
	check(cf->tls.handshake_timeout_s == 10 && cf->tls.priorities.server_precedence);
	check(cf->locking.retry_count == 10 && cf->locking.retry_sleep.n == 1 && cf->locking.expire_timeout.n == 0);
	conf_free(cf);
}

/* Every statement is in the help and in the manual page. */
static void test_help_and_manual(void **state)
{
	char *help, *man;
	size_t n;
	FILE *f = open_memstream(&help, &n);

	(void)state;
	conf_help(f, "pop3d");
	(void)fclose(f);
	f = open_memstream(&man, &n);
	conf_man(f);
	(void)fclose(f);
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		char in_help[128], in_man[128];

		(void)snprintf(in_help, sizeof in_help, " %s <%s: ", st->keyword, st->arg);
		(void)snprintf(in_man, sizeof in_man, "\n.It Ic %s Ar %s\n", st->keyword, st->arg);
		check_row(0, st->keyword, strstr(help, in_help + (*st->group == '\0')) != NULL);
		check_row(0, st->keyword, strstr(man, in_man) != NULL);
	}
	free(help);
	free(man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_two_rows_fill_one_member),
		cmocka_unit_test(test_enums_are_ints),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_statement),
		cmocka_unit_test(test_help_and_manual),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
