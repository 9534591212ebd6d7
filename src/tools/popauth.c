/* tools/popauth.c - see popauth.h: actions on one record, and who may do what
 *
 * It may be installed set-uid or set-gid to whom the database belongs. Then whoever is neither root nor its owner may change his own secret, in the
 * default database, after typing the old one, and nothing else. */
#include "tools/popauth.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 10000, WRONG_PAUSE_S = 2 };

/* --- the database ----------------------------------------------------------------------------------------------- */

bool popauth_name(const struct request *r, const char *text, struct dbm_name *out)
{
	unsigned checks = CHECK_ALL;
	struct why why;

	checks &= ~(r->mode & S_IRGRP ? (unsigned)CHECK_GRDFIL : 0) & ~(r->mode & S_IWGRP ? (unsigned)CHECK_GWRFIL : 0);
	checks &= ~(r->mode & S_IROTH ? (unsigned)CHECK_ARDFIL : 0) & ~(r->mode & S_IWOTH ? (unsigned)CHECK_AWRFIL : 0);
	if (dbm_name_read(slice_str(text), checks, geteuid(), out, &why) == OK)
		return true;
	(void)fprintf(stderr, "popauth: %s\n", why.text);
	return false;
}

/* What stands behind the name of the file in a reason. */
static const char *reason_of(const struct why *why, const struct dbm_name *name)
{
	size_t n = strlen(name->path);

	return strncmp(why->text, name->path, n) == 0 && strncmp(why->text + n, ": ", 2) == 0 ? why->text + n + 2
											      : why->text;
}

/* Words of conf/safety.c: a check that failed, or anything else. */
static bool is_check(const char *reason)
{
	return strstr(reason, " file") && !strstr(reason, "cannot") && !strstr(reason, "regular");
}

struct dbm *popauth_open(const struct request *r, const char *text, enum dbm_use use, int *status)
{
	struct dbm_how how = {.use = use, .mode = r->mode, .wait_ms = LOCK_WAIT_MS};
	struct dbm_name name;
	struct why why = {""};
	struct dbm *db;

	*status = EX_USAGE;
	if (!popauth_name(r, text, &name))
		return NULL;
	enum err err = dbm_open(&db, &name, &how, &why);

	if (err == OK)
		return db;
	const char *reason = reason_of(&why, &name);

	*status = err == ERR_PERM && is_check(reason) ? EX_UNAVAILABLE : EX_SOFTWARE;
	if (*status == EX_UNAVAILABLE)
		(void)fprintf(stderr, "popauth: %s fails safety check: %s\n", name.path, reason);
	else
		(void)fprintf(stderr, "popauth: cannot open %s: %s\n", name.path, reason);
	return NULL;
}

bool popauth_is_storable(struct slice user, struct slice secret)
{
	bool fine = user.n > 0 && user.n <= DBM_KEY_MOST && user.p[0] != '#' && secret.n > 0 && secret.n <= SECRET_MOST;

	for (size_t i = 0; fine && i < user.n; i++)
		fine = (unsigned char)user.p[i] > ' ' && user.p[i] != 0x7F;
	for (size_t i = 0; fine && i < secret.n; i++)
		fine = secret.p[i] != '\n' && secret.p[i] != '\r' && secret.p[i] != '\0';
	fine = fine && slice_trim(secret).n == secret.n;
	if (!fine)
		(void)fprintf(
			stderr,
			"popauth: a name must be one word, and a password 1 to %d octets without blanks at its ends\n",
			SECRET_MOST);
	return fine;
}

static const char *database(const struct request *r)
{
	return r->input ? r->input : APOP_DATABASE;
}

/* --- actions on one record -------------------------------------------------------------------------------------- */

static int say(int status, const char *text, const struct why *why)
{
	(void)fprintf(stderr, "popauth: %s%s\n", text, why ? why->text : "");
	return status;
}

/* Stores a record, durably. */
static int store(struct dbm *db, struct slice user, struct slice secret)
{
	struct why why = {""};

	if (!popauth_is_storable(user, secret))
		return EX_FAILED;
	if (dbm_put(db, user, secret, &why) != OK || dbm_sync(db, &why) != OK)
		return say(EX_SOFTWARE, "", &why);
	return EX_OK;
}

/* The password of the command line, or one that is asked for. */
static bool password_take(struct request *r)
{
	if (!r->password_given && !terminal_ask_twice(&r->password))
		return say(EX_FAILED, "no password", NULL) == EX_OK;
	return true;
}

static int add(struct request *r)
{
	int status;

	if (!r->user)
		return say(EX_FAILED, "missing user name to add", NULL);
	if (!password_take(r))
		return EX_FAILED;
	struct dbm *db = popauth_open(r, database(r), DBM_MAKE, &status);

	if (!db)
		return status;
	status = store(db, slice_str(r->user), secret_slice(&r->password));
	dbm_close(db);
	return status;
}

static int delete (const struct request *r)
{
	struct why why = {""};
	bool found;
	int status;

	if (!r->user)
		return say(EX_FAILED, "missing username to delete", NULL);
	struct dbm *db = popauth_open(r, database(r), DBM_WRITE, &status);

	if (!db)
		return status;
	status = EX_OK;
	if (dbm_delete(db, slice_str(r->user), &found, &why) != OK || (found && dbm_sync(db, &why) != OK))
		status = say(EX_SOFTWARE, "", &why);
	else if (!found)
		status =
			fprintf(stderr, "popauth: cannot remove record for %s: Requested item not found\n", r->user) < 0
				? EX_IOERR
				: EX_FAILED;
	dbm_close(db);
	return status;
}

/* The secret that is stored; false: there is none, or an error, and *status says how to end. */
static bool look_up(struct dbm *db, const char *user, struct secret *out, int *status)
{
	struct buf b = BUF(out->octets);
	struct why why = {""};
	bool found;

	*status = EX_FAILED;
	if (dbm_get(db, slice_str(user), &b, &found, &why) != OK)
		*status = say(EX_SOFTWARE, "", &why);
	else if (!found)
		(void)fprintf(stderr, "popauth: no such user: %s\n", user);
	out->n = b.len;
	return *status == EX_FAILED && found;
}

/* Whoever is restricted shows that it is his. */
static bool knows_old(const struct request *r, const struct secret *old)
{
	struct secret typed;
	bool right;

	if (!r->restricted)
		return true;
	right = terminal_ask("Old Password:", &typed) && secret_same(secret_slice(&typed), secret_slice(old));
	secret_wipe(&typed);
	if (!right) {
		(void)sleep(WRONG_PAUSE_S);
		(void)say(EX_FAILED, "Sorry, wrong password", NULL);
	}
	return right;
}

/* The file is not kept locked while somebody types. */
static int modify(struct request *r)
{
	struct secret old;
	int status;
	struct dbm *db = popauth_open(r, database(r), DBM_READ, &status);

	if (!db)
		return status;
	bool found = look_up(db, r->user, &old, &status);

	dbm_close(db);
	if (found && !r->password_given)
		(void)printf("Changing password for %s\n", r->user);
	bool may = found && knows_old(r, &old) && password_take(r);

	secret_wipe(&old);
	if (!may)
		return status;
	db = popauth_open(r, database(r), DBM_WRITE, &status);
	if (!db)
		return status;
	status = store(db, slice_str(r->user), secret_slice(&r->password));
	dbm_close(db);
	return status;
}

/* --- who we are ------------------------------------------------------------------------------------------------- */

static const char *own_name(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw ? pw->pw_name : NULL;
}

static bool owns_database(void)
{
	struct stat st;

	return lstat(APOP_DATABASE, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == getuid();
}

/* Rights of ours that the caller has not. From here on he can neither signal nor trace us; his limits end nothing in the middle of a write. */
static bool keep_rights(void)
{
	static const struct rlimit none = {0, 0}, most = {RLIM_INFINITY, RLIM_INFINITY};
	static const int unwanted[] = {SIGINT,  SIGQUIT, SIGTSTP, SIGHUP,  SIGTERM, SIGXFSZ,
				       SIGXCPU, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
	uid_t uid = geteuid();
	gid_t gid = getegid();

	(void)setrlimit(RLIMIT_FSIZE, &most); /* these two for root only */
	(void)setrlimit(RLIMIT_CPU, &most);
	for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
		(void)signal(unwanted[i], SIG_IGN);
	umask(077);
	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

static bool let_go_of_rights(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	return setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

/* Descriptors 0 to 2 are open, so that no database ever is one of them. */
static bool standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* What an ordinary user asks for. */
static int is_allowed(const struct request *r)
{
	if (r->user)
		return say(EX_USAGE, "Only the file owner can use --username", NULL);
	if ((r->action && r->action != 'm') || r->input || r->output || r->mode != 0600)
		return say(EX_USAGE, "Operation not allowed", NULL);
	return EX_OK;
}

static int run(struct request *r)
{
	switch (r->action) {
	case 'a':
		return add(r);
	case 'c':
		return popauth_create(r);
	case 'd':
		return delete (r);
	case 'l':
		return popauth_list(r);
	default:
		return modify(r);
	}
}

int main(int argc, char **argv)
{
	static struct request r;
	bool set_id = getuid() != geteuid() || getgid() != getegid(), ordinary = getuid() != 0;
	const char *self = own_name(); /* of the caller, whoever we become */

	r = (struct request){.mode = 0600, .restricted = set_id && ordinary && !owns_database()};
	if (!standard_descriptors() || (r.restricted && !keep_rights()) ||
	    (set_id && ordinary && !r.restricted && !let_go_of_rights()))
		return EX_OSERR;
	popauth_arguments(&r, argc, argv);
	int status = r.restricted ? is_allowed(&r) : EX_OK;

	if (status != EX_OK)
		return status;
	if (!r.action)
		r.action = ordinary ? 'm' : 'l';
	if (r.action == 'm' && !r.user)
		r.user = self;
	if (r.action == 'm' && !r.user)
		return say(EX_FAILED, "missing user name to modify", NULL);
	status = run(&r);
	secret_wipe(&r.password);
	return status;
}
