/* tools/penalties.c - popctl penalties: what wrong passwords a running daemon has counted, and who is forgiven
 *
 * The counts lie in memory that the keeper made (master/commons.h). Whoever may look into that process, root or who started it,
 * finds it through /proc; the daemon takes no part in it. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/penalty.h"
#include "base/clock.h"
#include "ipc/role.h"
#include "tools/popctl.h"

#define KEEPER "pop3d\n" /* its name in /proc; roles have others */
#define MEMORY "/memfd:" PENALTIES_NAME " (deleted)"

struct wants {
	const char *pid, *user, *address_text;
	struct address address;
	bool clear;
};

static int usage(void)
{
	(void)fputs("usage: popctl penalties [--pid PID] [--user USER] [--address ADDRESS] [--clear]; see popctl(8)\n",
		    stderr);
	return EX_USAGE;
}

/* --- the memory ------------------------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0';
}

static bool is_keeper(int proc, const char *pid)
{
	char path[64], name[32] = "";

	if (!is_number(pid) || snprintf(path, sizeof path, "%s/comm", pid) >= (int)sizeof path)
		return false;
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, name, sizeof name - 1) : -1;

	if (fd >= 0)
		close(fd);
	return n > 0 && strcmp(name, KEEPER) == 0;
}

/* -1: this process has none, or we may not see it, which errno says. */
static int memory_open(int proc, const char *pid)
{
	char path[64], link[64];
	int found = -1;

	if (snprintf(path, sizeof path, "%s/fd", pid) >= (int)sizeof path)
		return -1;
	int dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = dir >= 0 ? fdopendir(dir) : NULL;

	if (!list) {
		if (dir >= 0)
			close(dir);
		return -1;
	}
	errno = ENOENT;
	for (const struct dirent *e = readdir(list); found < 0 && e; e = readdir(list)) {
		ssize_t n = readlinkat(dir, e->d_name, link, sizeof link);

		if (n == sizeof MEMORY - 1 && memcmp(link, MEMORY, (size_t)n) == 0)
			found = openat(dir, e->d_name, O_RDWR | O_CLOEXEC);
	}
	int saved = errno;

	closedir(list);
	errno = saved;
	return found;
}

/* Of another version of pop3d it may be of another size. */
static enum err memory_map(int fd, struct penalties *p, struct why *why)
{
	size_t octets = auth_penalties_octets();
	struct penalty_rules rules = {.most_s = 1}; /* any: nothing is decided here */
	struct stat st;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != octets)
		return fail(why, ERR_PERM, "the daemon is of another version than popctl");
	void *memory = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? fail_errno(why, ERR_TEMP, "map the daemon's memory")
				    : penalties_open(p, memory, octets, &rules, why);
}

/* --- what is said ----------------------------------------------------------------------------------------------- */

static void say_counts(const struct penalties *p)
{
	static const char *const names[PENALTY_STATS] = {
		[PENALTY_STAT_FAILURES] = "wrong passwords that counted",
		[PENALTY_STAT_REPEATED] = "wrong passwords again, which did not",
		[PENALTY_STAT_DELAYED] = "logins that waited",
		[PENALTY_STAT_REFUSED] = "logins refused, as too many waited",
		[PENALTY_STAT_LOCKOUTS] = "lock-outs",
		[PENALTY_STAT_LOCKED] = "logins refused in one",
	};

	for (unsigned i = 0; i < PENALTY_STATS; i++)
		printf("%-36s %" PRIu64 "\n", names[i], penalties_stat(p, (enum penalty_stat)i));
}

static void say_standing(const char *what, const char *who, const struct penalty_standing *s)
{
	printf("%s %s: %" PRIu32 " wrong passwords count", what, who, s->failures);
	if (s->locked_s > 0)
		printf(", locked out for %" PRIu32 " seconds more", s->locked_s);
	printf("\n");
}

static void say(const struct penalties *p, const char *pid, const struct wants *w)
{
	struct penalty_client c = {.address = &w->address, .user = slice_str(w->user ? w->user : "")};
	struct penalty_standings s;

	printf("pop3d %s\n", pid);
	if (w->clear)
		penalties_clear(p, &c);
	penalties_stand(p, &c, clock_ms(), &s);
	if (w->user)
		say_standing("user", w->user, &s.user);
	if (w->address_text)
		say_standing("address", w->address_text, &s.address);
	if (!w->user && !w->address_text)
		say_counts(p);
}

/* --- the command ------------------------------------------------------------------------------------------------ */

static bool take_address(struct wants *w, const char *text)
{
	w->address_text = text;
	w->address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(w->address.family, text, w->address.ip) == 1;
}

static bool take_options(struct wants *w, int argc, char **argv)
{
	static const struct option options[] = {{"pid", required_argument, NULL, 'p'},
						{"user", required_argument, NULL, 'u'},
						{"address", required_argument, NULL, 'a'},
						{"clear", no_argument, NULL, 'c'},
						{NULL, 0, NULL, 0}};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (c == 'p' && is_number(optarg))
			w->pid = optarg;
		else if (c == 'u' && optarg[0])
			w->user = optarg;
		else if (c == 'c')
			w->clear = true;
		else if (c != 'a' || !take_address(w, optarg))
			return false;
	return optind == argc && (!w->clear || w->user || w->address_text);
}

static int daemon_say(int proc, const char *pid, const struct wants *w)
{
	struct penalties p = {0};
	struct why why = {""};
	int fd = memory_open(proc, pid);
	enum err err = fd < 0 ? fail_errno(&why, ERR_PERM, "its memory") : memory_map(fd, &p, &why);

	if (fd >= 0)
		close(fd);
	if (err == OK)
		say(&p, pid, w);
	else
		(void)fprintf(stderr, "popctl: pop3d %s: %s\n", pid, why.text);
	penalties_close(&p);
	return err == OK ? EX_OK : EX_UNAVAILABLE;
}

int penalties_command(struct conf *cf, int argc, char **argv)
{
	struct wants w = {0};
	unsigned daemons = 0;
	int status = EX_OK;

	(void)cf;
	if (!take_options(&w, argc, argv))
		return usage();
	DIR *proc = opendir("/proc");

	for (const struct dirent *e = proc ? readdir(proc) : NULL; e; e = readdir(proc)) {
		if (!is_keeper(dirfd(proc), e->d_name) || (w.pid && strcmp(w.pid, e->d_name) != 0))
			continue;
		daemons++;
		if (daemon_say(dirfd(proc), e->d_name, &w) != EX_OK)
			status = EX_UNAVAILABLE;
	}
	if (proc)
		closedir(proc);
	if (daemons > 0)
		return status;
	(void)fputs("popctl: no pop3d runs\n", stderr);
	return EX_UNAVAILABLE;
}
