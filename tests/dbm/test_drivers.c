/* What holds for a database of any kind: the contract of dbm/dbm.h, row by row, for each driver. */
#include <inttypes.h>
#include <sys/file.h>

#include "base.h"
#include "base/clock.h"

static const char *const schemes[] = {"gdbm", "lmdb", "text", "bdb"};

static void test_one_record(void **state)
{
	(void)state;
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct stat st;
		struct dbm *db;
		bool found;

		base_init(&b, schemes[s]);
		check_row(s, schemes[s], !dbm_is_there(&b.name));
		check_row(s, schemes[s],
			  base_open(&b, &db, DBM_READ) == ERR_PERM && base_open(&b, &db, DBM_WRITE) == ERR_PERM);
		check_row(s, b.why.text, strstr(b.why.text, "No such file or directory"));
		check_row(s, schemes[s], !dbm_is_there(&b.name)); /* asking makes none */
		check_row(s, b.why.text, base_put(&b, "bob", "1795382279") == OK);
		check_row(s, schemes[s], dbm_is_there(&b.name));
		check_row(s, schemes[s], stat(b.path, &st) == 0 && (st.st_mode & 07777) == 0600);
		check_row(s, schemes[s], strcmp(base_look(&b, "bob"), "1795382279") == 0);
		check_row(s, schemes[s],
			  strcmp(base_look(&b, "bo"), "-") == 0 && strcmp(base_look(&b, "bobb"), "-") == 0);
		check_row(s, b.why.text, base_put(&b, "bob", "1795382280") == OK && base_put(&b, "al", "a b") == OK);
		check_row(s, schemes[s], strcmp(base_look(&b, "bob"), "1795382280") == 0);
		check_row(s, b.why.text, base_put(&b, "bob", "longer than it was before") == OK);
		check_row(s, schemes[s], strcmp(base_look(&b, "bob"), "longer than it was before") == 0);

		assert_int_equal(base_open(&b, &db, DBM_WRITE), OK);
		check_row(s, schemes[s], dbm_delete(db, SLICE("zed"), &found, NULL) == OK && !found);
		check_row(s, schemes[s], dbm_delete(db, SLICE("bob"), &found, NULL) == OK && found);
		check_row(s, schemes[s], strcmp(base_get(&b, db, "bob"), "-") == 0);
		check_row(s, schemes[s], dbm_sync(db, NULL) == OK);
		dbm_close(db);
		check_row(s, schemes[s],
			  strcmp(base_look(&b, "bob"), "-") == 0 && strcmp(base_look(&b, "al"), "a b") == 0);
		base_done(&b);
	}
}

struct sum {
	uint64_t n, keys, values;
};

static enum err add(void *arg, struct slice key, struct slice value, struct why *why)
{
	struct sum *sum = arg;
	uint64_t k, v;

	if (!slice_u64((struct slice){key.p + 4, key.n - 4}, &k) || !slice_u64(value, &v))
		return (fail)(why, ERR_PERM, "not what was put: %.*s", (int)key.n, key.p);
	sum->n++;
	sum->keys += k;
	sum->values += v;
	return sum->n == 12345678 ? ERR_TEMP : OK;
}

static enum err stop(void *arg, struct slice key, struct slice value, struct why *why)
{
	(void)key;
	(void)value;
	(void)why;
	return ++*(int *)arg == 3 ? ERR_IN_USE : OK;
}

/* As many as need more than one page, bucket, or directory. */
static void test_many_records(void **state)
{
	(void)state;
	enum { MANY = 1000 };

	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct dbm *db;
		struct sum sum = {0};
		uint64_t odd;
		int calls = 0;

		base_init(&b, schemes[s]);
		assert_int_equal(base_open(&b, &db, DBM_MAKE), OK);
		for (int round = 0; round < 2; round++) {
			for (int i = 0; i < MANY; i++) {
				char key[32], value[32];

				(void)snprintf(key, sizeof key, "user%d", i);
				(void)snprintf(value, sizeof value, "%d", round * i);
				check_row(i, b.why.text, dbm_put(db, slice_str(key), slice_str(value), &b.why) == OK);
			}
		}
		assert_int_equal(dbm_sync(db, NULL), OK);
		check_row(s, schemes[s], strcmp(base_get(&b, db, "user999"), "999") == 0);
		dbm_close(db);
		assert_int_equal(base_open(&b, &db, DBM_READ), OK);
		check_row(s, b.why.text, dbm_walk(db, add, &sum, &odd, &b.why) == OK && odd == 0);
		check_row(s, schemes[s], sum.n == MANY && sum.keys == MANY * (MANY - 1) / 2 && sum.values == sum.keys);
		check_row(s, schemes[s], dbm_walk(db, stop, &calls, NULL, NULL) == ERR_IN_USE && calls == 3);
		check_row(s, schemes[s],
			  strcmp(base_get(&b, db, "user500"), "500") == 0); /* a walk that was ended leaves nothing */
		dbm_close(db);
		base_done(&b);
	}
}

static void put_number(struct base *b, struct dbm *db, int i, uint64_t number)
{
	char key[32], value[32];

	(void)snprintf(key, sizeof key, "user%d", i);
	(void)snprintf(value, sizeof value, "%" PRIu64, number);
	check_row(i, b->why.text, dbm_put(db, slice_str(key), slice_str(value), &b->why) == OK);
}

static void check_number(struct base *b, struct dbm *db, int i, uint64_t number)
{
	char key[32];

	(void)snprintf(key, sizeof key, "user%d", i);
	check_row(i, base_get(b, db, key), strtoull(base_get(b, db, key), NULL, 10) == number);
}

/* Login times: what was read gets another value of its length, where it stands; between them some that need another place. */
static void test_values_of_the_same_length(void **state)
{
	(void)state;
	enum { MANY = 300, FIRST = 1000000000, LONGER_AT = 200 };
	static const char *const quick[] = {"gdbm", "text", "bdb"}; /* lmdb syncs each of them */

	for (size_t s = 0; s < TABLE_ROWS(quick); s++) {
		struct base b;
		struct dbm *db;
		struct sum sum = {0};
		uint64_t odd, values = 0;

		base_init(&b, quick[s]);
		assert_int_equal(base_open(&b, &db, DBM_MAKE), OK);
		for (int i = 0; i < MANY; i++)
			put_number(&b, db, i, FIRST + (unsigned)i);
		assert_int_equal(dbm_sync(db, NULL), OK);
		dbm_close(db);
		assert_int_equal(base_open(&b, &db, DBM_WRITE), OK);
		for (int i = 0; i < MANY; i++) {
			bool longer = i >= LONGER_AT && i % 50 == 0;
			uint64_t number = (longer ? UINT64_C(100) * FIRST : UINT64_C(2) * FIRST) + (unsigned)i;

			check_number(&b, db, i, FIRST + (unsigned)i);
			put_number(&b, db, i, number);
			check_number(&b, db, i, number);
			values += number;
		}
		assert_int_equal(dbm_sync(db, NULL), OK);
		check_row(s, b.why.text, dbm_walk(db, add, &sum, &odd, &b.why) == OK && odd == 0);
		check_row(s, quick[s], sum.n == MANY && sum.values == values);
		dbm_close(db);
		sum = (struct sum){0};
		assert_int_equal(base_open(&b, &db, DBM_READ), OK);
		check_row(s, b.why.text, dbm_walk(db, add, &sum, &odd, &b.why) == OK && odd == 0);
		check_row(s, quick[s], sum.n == MANY && sum.values == values);
		check_row(s, quick[s], strcmp(base_get(&b, db, "user"), "-") == 0);
		dbm_close(db);
		base_done(&b);
	}
}

/* Keys and values that are not text are not taken. */
static void test_only_text(void **state)
{
	(void)state;
	static char longest[DBM_VALUE_MOST + 1];
	const struct {
		struct slice key, value;
		bool taken;
	} rows[] = {
		{SLICE("a"), SLICE("b"), true},
		{SLICE(""), SLICE("b"), false},
		{SLICE("a\0"), SLICE("b"), false},
		{SLICE("a"), SLICE("b\0c"), false},
		{{longest, DBM_KEY_MOST}, SLICE("b"), true},
		{{longest, DBM_KEY_MOST + 1}, SLICE("b"), false},
		{SLICE("a"), {longest, DBM_VALUE_MOST}, true},
		{SLICE("a"), {longest, DBM_VALUE_MOST + 1}, false},
	};

	memset(longest, 'x', sizeof longest);
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct dbm *db;
		bool found;

		base_init(&b, schemes[s]);
		assert_int_equal(base_open(&b, &db, DBM_MAKE), OK);
		for (size_t i = 0; i < TABLE_ROWS(rows); i++)
			check_row(i, schemes[s],
				  (dbm_put(db, rows[i].key, rows[i].value, NULL) == OK) == rows[i].taken);
		assert_int_equal(dbm_sync(db, NULL), OK);
		dbm_close(db);
		assert_int_equal(base_open(&b, &db, DBM_READ), OK);
		check_row(s, schemes[s], strlen(base_get(&b, db, "a")) == DBM_VALUE_MOST);
		char room[4];
		struct buf little = BUF(room);

		check_row(s, schemes[s], dbm_get(db, SLICE("a"), &little, &found, NULL) == ERR_PERM && !found);
		check_row(s, schemes[s],
			  dbm_put(db, SLICE("a"), SLICE("1"), NULL) == ERR_PERM); /* opened for reading */
		check_row(s, schemes[s], dbm_delete(db, SLICE("a"), &found, NULL) == ERR_PERM);
		dbm_close(db);
		base_done(&b);
	}
}

/* A file without an octet: what a program leaves that was killed when it had just made it. */
static void test_empty_file(void **state)
{
	(void)state;
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct dbm *db;
		struct sum sum = {0};

		base_init(&b, schemes[s]);
		close(open(b.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		check_row(s, b.why.text, base_open(&b, &db, DBM_READ) == OK);
		check_row(s, schemes[s], strcmp(base_get(&b, db, "a"), "-") == 0);
		check_row(s, schemes[s], dbm_walk(db, add, &sum, NULL, NULL) == OK && sum.n == 0);
		dbm_close(db);
		check_row(s, b.why.text, base_put(&b, "a", "1") == OK);
		check_row(s, schemes[s], strcmp(base_look(&b, "a"), "1") == 0);
		base_done(&b);
	}
}

/* Another process has it. Returns that process. */
static pid_t hold(struct base *b, enum dbm_use use)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct dbm *db;

		if (base_open(b, &db, use) != OK || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

/* Whoever has to wait does so for as long as it said. */
static void test_locked(void **state)
{
	(void)state;
	static const char *const locked[] = {"gdbm", "text", "bdb"};

	for (size_t s = 0; s < TABLE_ROWS(locked); s++) {
		struct base b;
		struct dbm *db;

		base_init(&b, locked[s]);
		assert_int_equal(base_put(&b, "a", "1"), OK);
		pid_t reader = hold(&b, DBM_READ);

		check_row(s, locked[s], strcmp(base_look(&b, "a"), "1") == 0);
		check_row(s, locked[s], base_open(&b, &db, DBM_WRITE) == ERR_IN_USE);
		kill(reader, SIGKILL);
		assert_int_equal(waitpid(reader, NULL, 0), reader);
		pid_t writer = hold(&b, DBM_WRITE);
		struct dbm_how how = {.use = DBM_READ, .wait_ms = 50};
		uint64_t before = clock_ms();

		check_row(s, locked[s], base_open(&b, &db, DBM_READ) == ERR_IN_USE);
		check_row(s, locked[s],
			  dbm_open(&db, &b.name, &how, &b.why) == ERR_IN_USE && clock_ms() >= before + 50);
		check_row(s, b.why.text, strstr(b.why.text, "x.db: locked by another program"));
		kill(writer, SIGKILL);
		assert_int_equal(waitpid(writer, NULL, 0), writer);
		check_row(s, locked[s], strcmp(base_look(&b, "a"), "1") == 0); /* a lock ends with its process */
		base_done(&b);
	}
}

/* lmdb: who has it open keeps nobody out; who writes does, for as long as he may wait. */
static void test_lmdb_turns(void **state)
{
	(void)state;
	struct base b;
	struct dbm *db;

	base_init(&b, "lmdb");
	assert_int_equal(base_put(&b, "a", "1"), OK);
	pid_t other = hold(&b, DBM_WRITE);

	check(base_put(&b, "a", "2") == OK && strcmp(base_look(&b, "a"), "2") == 0);
	assert_int_equal(base_open(&b, &db, DBM_WRITE), OK);
	int fd = open(b.path, O_RDWR | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	check(dbm_put(db, SLICE("a"), SLICE("3"), &b.why) == ERR_IN_USE);
	close(fd);
	check(dbm_put(db, SLICE("a"), SLICE("4"), &b.why) == OK);
	check(strcmp(base_get(&b, db, "a"), "4") == 0);
	dbm_close(db);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	base_done(&b);
}

/* Many processes count in one file: nobody's count is lost. */
static void test_concurrent(void **state)
{
	(void)state;
	enum { PROCESSES = 6, ROUNDS = 20 };
	static const char *const whole[] = {"gdbm", "text", "bdb"};

	for (size_t s = 0; s < TABLE_ROWS(whole); s++) {
		struct base b;
		char text[16];

		base_init(&b, whole[s]);
		assert_int_equal(base_put(&b, "n", "0"), OK);
		for (int i = 0; i < PROCESSES; i++) {
			if (fork() > 0)
				continue;
			for (int r = 0; r < ROUNDS; r++) {
				struct dbm *db;
				struct dbm_how how = {.use = DBM_WRITE, .wait_ms = 60000};

				if (dbm_open(&db, &b.name, &how, &b.why) != OK)
					_exit(1);
				(void)snprintf(text, sizeof text, "%d", atoi(base_get(&b, db, "n")) + 1);
				if (dbm_put(db, SLICE("n"), slice_str(text), &b.why) != OK ||
				    dbm_sync(db, &b.why) != OK)
					_exit(1);
				dbm_close(db);
			}
			_exit(0);
		}
		for (int i = 0; i < PROCESSES; i++) {
			int status;

			assert_true(wait(&status) > 0);
			check_row(s, whole[s], status == 0);
		}
		(void)snprintf(text, sizeof text, "%d", PROCESSES * ROUNDS);
		check_row(s, whole[s], strcmp(base_look(&b, "n"), text) == 0);
		base_done(&b);
	}
}

/* Somebody with more rights has opened it. */
static void test_descriptor(void **state)
{
	(void)state;
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct dbm *db = NULL;
		bool works = strcmp(schemes[s], "gdbm") == 0 || strcmp(schemes[s], "text") == 0;

		base_init(&b, schemes[s]);
		assert_int_equal(base_put(&b, "a", "1"), OK);
		int fd = open(b.path, O_RDWR | O_CLOEXEC);
		struct dbm_how how = {.use = DBM_READ, .fd = fd};

		(void)snprintf(b.name.path, sizeof b.name.path, "/nowhere/x.db");
		enum err err = dbm_open(&db, &b.name, &how, &b.why);

		check_row(s, b.why.text, (err == OK) == works);
		check_row(s, schemes[s], !works || strcmp(base_get(&b, db, "a"), "1") == 0);
		dbm_close(db);
		check_row(s, schemes[s], close(fd) == 0); /* it stayed ours */
		base_done(&b);
	}
}

/* Files that other programs have written, and the other way round. */
static const struct {
	const char *scheme, *write, *read;
} others[] = {
	{"gdbm", "gdbmtool --newdb $DB store bob 1795382279 >/dev/null && chmod 600 $DB",
	 "test \"$(gdbmtool --read-only $DB fetch al)\" = 'two words'"},
	{"lmdb",
	 "printf 'VERSION=3\\nformat=print\\ntype=btree\\nmapsize=1048576\\nHEADER=END\\n bob\\n "
	 "1795382279\\nDATA=END\\n' | mdb_load -n $DB && "
	 "chmod 600 $DB",
	 "mdb_dump -n -p $DB | grep -A1 '^ al$' | grep -q '^ two words$'"},
	{"bdb", "printf 'bob\\n1795382279\\n' | db_load -T -t hash $DB && chmod 600 $DB",
	 "db_dump -p $DB | grep -A1 '^ al$' | grep -q '^ two words$'"},
	{"bdb", "printf 'bob\\n1795382279\\n' | db_load -T -t btree $DB && chmod 600 $DB",
	 "db_dump -p $DB | grep -A1 '^ al$' | grep -q '^ two words$'"},
	{"text", "printf '# a comment\\n\\n  bob\\t 1795382279 \\nodd\\n' >$DB && chmod 600 $DB",
	 "test \"$(cat $DB; echo .)\" = \"$(printf '# a comment\\n\\n  bob\\t 1795382279 \\nodd\\nal two "
	 "words\\n.')\""},
	{"gdbm", "printf 'bob 1795382279\\n' | popauth --create --output $DB",
	 "popauth --list --file $DB | grep -qx 'al two words'"},
	{"bdb", "printf 'bob 1795382279\\n' | popauth --create --output bdb://$DB && chmod 600 $DB",
	 "popauth --list --file bdb://$DB | grep -qx 'al two words'"},
};

static void test_other_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(others); i++) {
		struct base b;

		base_init(&b, others[i].scheme);
		check_row(i, others[i].write, base_run(&b, others[i].write) == 0);
		check_row(i, others[i].write, strcmp(base_look(&b, "bob"), "1795382279") == 0);
		check_row(i, b.why.text, base_put(&b, "al", "two words") == OK);
		check_row(i, others[i].read, base_run(&b, others[i].read) == 0);
		base_done(&b);
	}
}

/* What others put that is no text: get says so, walk goes on. */
static void test_not_text(void **state)
{
	(void)state;
	struct base b;
	struct dbm *db;
	struct sum sum = {0};
	uint64_t odd;

	base_init(&b, "bdb");
	assert_int_equal(base_run(&b, "printf 'user1\\n1\\nuser2\\n2\\\\00\\nuse\\\\00\\n3\\n' | db_load -T -t hash "
				      "$DB; chmod 600 $DB"),
			 0);
	assert_int_equal(base_open(&b, &db, DBM_READ), OK);
	check(strcmp(base_get(&b, db, "user1"), "1") == 0);
	check(strcmp(base_get(&b, db, "user2"), "!") == 0 && strstr(b.why.text, "a record that is no text"));
	check(dbm_walk(db, add, &sum, &odd, &b.why) == OK && sum.n == 1 && odd == 2);
	dbm_close(db);
	base_done(&b);
}

/* Reads all that there is, and ends as any program does: not by a signal. */
static bool survives(struct base *b)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct dbm *db;
		int calls = -1000000;

		if (base_open(b, &db, DBM_READ) == OK) {
			(void)base_get(b, db, "user7");
			(void)dbm_walk(db, stop, &calls, NULL, &b->why);
			dbm_close(db);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Cut off anywhere, or something else altogether. */
static void test_damaged(void **state)
{
	(void)state;
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct stat st;
		struct dbm *db;
		static char noise[8192];

		base_init(&b, schemes[s]);
		assert_int_equal(base_open(&b, &db, DBM_MAKE), OK);
		for (int i = 0; i < 200; i++) {
			char key[32];

			(void)snprintf(key, sizeof key, "user%d", i);
			assert_int_equal(dbm_put(db, slice_str(key), SLICE("12345678"), NULL), OK);
		}
		assert_int_equal(dbm_sync(db, NULL), OK);
		dbm_close(db);
		assert_int_equal(stat(b.path, &st), 0);
		for (off_t at = st.st_size - 1; at > 0; at -= 509) {
			assert_int_equal(truncate(b.path, at), 0);
			check_row(at, schemes[s], survives(&b));
		}
		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (char)(i * 2654435761u >> 13);
		int fd = open(b.path, O_WRONLY | O_TRUNC | O_CLOEXEC);

		assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
		close(fd);
		check_row(s, schemes[s], survives(&b));
		check_row(s, schemes[s], strcmp(schemes[s], "text") == 0 || base_open(&b, &db, DBM_READ) == ERR_PERM);
		check_row(s, b.why.text, strcmp(schemes[s], "text") == 0 || strstr(b.why.text, "x.db: "));
		base_done(&b);
	}
}

/* Directories and pipes are no databases, and nobody waits for one. */
static void test_not_a_file(void **state)
{
	(void)state;
	check_ends_within(60);
	for (size_t s = 0; s < TABLE_ROWS(schemes); s++) {
		struct base b;
		struct dbm *db;

		base_init(&b, schemes[s]);
		assert_int_equal(mkfifo(b.path, 0600), 0);
		check_row(s, b.why.text,
			  base_open(&b, &db, DBM_READ) == ERR_PERM && base_open(&b, &db, DBM_MAKE) == ERR_PERM);
		assert_true(unlink(b.path) == 0 && mkdir(b.path, 0700) == 0);
		check_row(s, b.why.text,
			  base_open(&b, &db, DBM_READ) == ERR_PERM && base_open(&b, &db, DBM_MAKE) == ERR_PERM);
		base_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_record),
		cmocka_unit_test(test_many_records),
		cmocka_unit_test(test_only_text),
		cmocka_unit_test(test_empty_file),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_lmdb_turns),
		cmocka_unit_test(test_concurrent),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_other_programs),
		cmocka_unit_test(test_not_text),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_values_of_the_same_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
