/* tests/master/test_confine.c - from inside each role's walls, what a process that was taken over would try
 *
 * A row is a system call and the roles that may make it. The same calls are made without walls too: there none is refused, so
 * that a refusal means the wall. Where we are root everything is done twice, the second time as an ordinary user. */
#include "master/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "master/landlock.h"
#include "master/syscalls.h"

enum {
	F = 1 << ROLE_FRONT,
	A = 1 << ROLE_AUTH,
	H = 1 << ROLE_HASH,
	R = 1 << ROLE_RELAY,
	L = 1 << ROLE_LOCKER, /* as root only: its root directory is the spool, so whatever lies outside is not there */
	X = 1 << ROLE_ACCESS, /* and programs of access lists */
	T = 1 << ROLE_STATE,
	B = 1 << ROLE_BACKEND, /* but for that of PAM */
	O = 1 << ROLE_OPENER,
	S = 1 << ROLE_STORE,
	ALL = F | A | H | R | L | X | T | B | O | S,
	S_USER = S << ROLE_COUNT, /* store only where it runs as the caller, who is auth as well */
	O_USER = O << ROLE_COUNT, /* opener, where it does not become the owner */
	X_USER =
		X
		<< ROLE_COUNT, /* where the mail is the caller's: calls that Landlock does not know, or that find nothing */
	B_USER = B << ROLE_COUNT, /* the same */
	OWNER = 20077,            /* of the mail */
	NOBODY = 65534,
	ARGS = 6,
	SIGNALS_ABI = 6, /* of Landlock */
};

/* Descriptors that every child inherits under these numbers, and what stands for the parent's process id. */
enum { SOCKET = 100, LISTENER, MESSAGE, PARENT = -77 };

/* The world that is tried; paths are absolute. */
static struct {
	char top[64], empty[80], look[80], etc[80], record[96], mail[80], spool[80], message[96], made[96], moved[96];
} w;
static struct sockaddr_un nobody_there = {.sun_family = AF_UNIX};
static struct open_how reading = {.flags = O_RDONLY};
static char octet[8];
static struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1 << 20, .l_len = 1};
static char *const no_words[] = {NULL};
static alignas(4096) char page[4096];

#define P(pointer) ((long)(uintptr_t)(pointer))
#define MADE (O_WRONLY | O_CREAT | O_EXCL)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* In this order: some rows make what others remove. Names that are not there do no harm where the call is not refused. */
/* clang-format off */
static const struct {
	const char *name;
	unsigned may; /* roles */
	long call, arg[ARGS];
} attempts[] = {
	/* files */
	{"read /etc/shadow",            0,     SYS_openat,        {AT_FDCWD, P("/etc/shadow"), O_RDONLY}},
	{"read /etc/passwd",            X|B,     SYS_openat,        {AT_FDCWD, P("/etc/passwd"), O_RDONLY}},
	{"read /etc/passwd by openat2", X|B,     SYS_openat2,       {AT_FDCWD, P("/etc/passwd"), P(&reading), sizeof reading}},
	{"read /etc/passwd by open",    X|B,     SYS_open,          {P("/etc/passwd"), O_RDONLY}},
	{"read /proc/self/maps",        X|B,     SYS_openat,        {AT_FDCWD, P("/proc/self/maps"), O_RDONLY}},
	{"open a device",               X|B,     SYS_openat,        {AT_FDCWD, P("/dev/null"), O_RDWR}},
	{"list /",                      L,     SYS_openat,        {AT_FDCWD, P("/"), O_RDONLY | O_DIRECTORY}},
	{"read a password file",        A|S_USER|O_USER, SYS_openat,        {AT_FDCWD, P(w.record), O_RDONLY}},
	{"read one by openat2",         S_USER, SYS_openat2,         {AT_FDCWD, P(w.record), P(&reading), sizeof reading}},
	{"write a password file",       0,     SYS_openat,        {AT_FDCWD, P(w.record), O_WRONLY}},
	{"open a message",              S,     SYS_openat,        {AT_FDCWD, P(w.message), O_RDWR}},
	{"make a file",                 S,     SYS_openat,        {AT_FDCWD, P(w.made), MADE, 0600}},
	{"rename it",                   S|X_USER|B_USER, SYS_rename,        {P(w.made), P(w.moved)}},
	{"remove it",                   S|X_USER|B_USER, SYS_unlink,        {P(w.moved)}},
	{"make a directory",            S,     SYS_mkdir,         {P(w.made), 0700}},
	{"remove a directory",          S|X_USER|B_USER, SYS_rmdir,         {P(w.made)}},
	{"make a file in /dev/shm",     0,     SYS_openat,        {AT_FDCWD, P("/dev/shm"), O_WRONLY | O_TMPFILE, 0600}},
	{"make a symlink",              0,     SYS_symlink,       {P("x"), P(w.made)}},
	{"make a FIFO",                 0,     SYS_mknod,         {P(w.moved), S_IFIFO | 0600}},
	{"change a mode by name",       X_USER|B_USER, SYS_chmod,         {P(w.message), 0600}},
	{"open by handle",              0,     SYS_open_by_handle_at, {-1, 0, 0}},
	{"make a file in /",            L,     SYS_openat,        {AT_FDCWD, P("/pop3d-probe"), MADE, 0600}},
	{"rename one there",            L|S|X|B, SYS_renameat2,     {AT_FDCWD, P("/pop3d-probe"), AT_FDCWD, P("/pop3d-probe2"), 0}},
	{"remove one there",            L|S|X|B, SYS_unlinkat,      {AT_FDCWD, P("/pop3d-probe2"), 0}},
	{"give a file away",            L,     SYS_fchown,        {MESSAGE, NOBODY, -1}},
	{"give a file to its owner",    L|S|X_USER|B_USER, SYS_fchown,        {MESSAGE, OWNER, -1}},
	{"read at an offset",           F|A|L|T|O|S|X|B, SYS_pread64,       {MESSAGE, P(octet), 1, 0}},
	{"make a write durable",        L|T|S|X|B, SYS_fsync,         {MESSAGE}},
	{"lock",                        L|O|S|X|B, SYS_fcntl,         {MESSAGE, F_OFD_SETLK, P(&lock)}},
	{"make a memfd",                F|S|X|B, SYS_memfd_create,  {P("probe"), MFD_CLOEXEC}},
	/* sockets */
	{"make an Internet socket",     X|B,     SYS_socket,        {AF_INET, SOCK_STREAM, 0}},
	{"make a Unix socket",          X|B,     SYS_socket,        {AF_UNIX, SOCK_DGRAM, 0}},
	{"make a pair of sockets",      X|B,     SYS_socketpair,    {AF_UNIX, SOCK_STREAM, 0, P(octet)}},
	{"bind",                        X_USER|B_USER, SYS_bind,          {SOCKET, P(&nobody_there), sizeof nobody_there}},
	{"connect",                     0,     SYS_connect,       {SOCKET, P(&nobody_there), sizeof nobody_there}},
	{"listen",                      0,     SYS_listen,        {SOCKET, 1}},
	{"accept",                      F|X,   SYS_accept4,       {LISTENER, 0, 0, 0}},
	{"send to its peer",            F|X|B,   SYS_sendto,        {SOCKET, P(octet), 1, MSG_NOSIGNAL, 0, 0}},
	{"send to somebody else",       X|B,     SYS_sendto,        {SOCKET, P(octet), 1, MSG_NOSIGNAL, P(&nobody_there), sizeof nobody_there}},
	{"have an option of TCP",       F|X|B,   SYS_setsockopt,    {LISTENER, IPPROTO_TCP, TCP_NODELAY, P(octet), 4}},
	{"let others linger",           X|B,     SYS_setsockopt,    {LISTENER, SOL_SOCKET, SO_LINGER, P(octet), sizeof octet}},
	{"let others block",            X|B,     SYS_fcntl,         {LISTENER, F_SETFL, O_NONBLOCK}}, /* with 0 it would be so */
	{"ask what is unsent",          F|X|B,   SYS_ioctl,         {LISTENER, TIOCOUTQ, P(octet)}},
	{"type into a terminal",        0,     SYS_ioctl,         {-1, TIOCSTI, P(octet)}},
	/* other processes */
	{"execve",                      X,     SYS_execve,        {P("/nothing/of/this/name"), P(no_words), P(no_words)}},
	{"execveat",                    X,     SYS_execveat,      {-1, P("x"), P(no_words), P(no_words), 0}},
	{"clone",                       X,     SYS_clone,         {CLONE_SIGHAND, 0, 0, 0, 0}},
	{"clone3",                      S|X|B,   SYS_clone3,        {0, 0}}, /* it is not there, these are told */
	{"a thread without signals",    X|B,     SYS_clone,         {CLONE_THREAD, 0, 0, 0, 0}},
	{"a thread elsewhere",          0,     SYS_clone,         {CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_NEWUSER, 0, 0, 0, 0}},
	{"ptrace",                      0,     SYS_ptrace,        {-1}},
	{"read another's memory",       0,     SYS_process_vm_readv, {PARENT, 0, 0, 0, 0, 0}},
	{"signal the parent",           0,     SYS_kill,          {PARENT, SIGCONT}},
	{"signal the group",            X,     SYS_kill,          {0, SIGCONT}},
	{"ask whether a process runs",  L|S|X, SYS_kill,          {INT_MAX, 0}},
	{"tgkill the parent",           0,     SYS_tgkill,        {PARENT, PARENT, 0}},
	{"tkill the parent",            0,     SYS_tkill,         {PARENT, 0}},
	{"pidfd_open the parent",       X,     SYS_pidfd_open,    {PARENT, 0}},
	{"signal by descriptor",        X|B,     SYS_fcntl,         {SOCKET, F_SETOWN, PARENT}},
	/* more rights */
	{"map executable memory",       X|B,     SYS_mmap,          {0, 4096, PROT_READ | PROT_EXEC, ANON, -1, 0}},
	{"make memory executable",      X|B,     SYS_mprotect,      {P(page), 4096, PROT_READ | PROT_EXEC}},
	{"map memory",                  ALL,   SYS_mmap,          {0, 4096, PROT_READ | PROT_WRITE, ANON, -1, 0}},
	{"setresuid",                   0,     SYS_setresuid,     {-1, -1, -1}},
	{"be root in the file system",  0,     SYS_setfsuid,      {0}},
	{"be that by more bits",        0,   SYS_setfsuid,      {1L << 32}},
	{"be another one there",        O,     SYS_setfsuid,      {NOBODY}},
	{"setgroups",                   0,     SYS_setgroups,     {-1, 0}},
	{"capset",                      0,     SYS_capset,        {0, 0}},
	{"prctl",                       X|B,     SYS_prctl,         {PR_GET_DUMPABLE}},
	{"chroot",                      0,     SYS_chroot,        {P("/nothing/of/this/name")}},
	{"mount",                       0,     SYS_mount,         {0, P("/nothing/of/this/name"), 0, 0, 0}},
	{"unshare",                     0,     SYS_unshare,       {0}},
	{"setns",                       0,     SYS_setns,         {-1, 0}},
	{"bpf",                         0,     SYS_bpf,           {-1, 0, 0}},
	{"io_uring",                    0,     SYS_io_uring_setup, {0, 0}},
	{"userfaultfd",                 0,     SYS_userfaultfd,   {-1}},
	{"keyctl",                      0,     SYS_keyctl,        {-1, 0, 0, 0, 0}},
	{"another filter",              X|B,     SYS_seccomp,       {-1, 0, 0}},
	{"an event loop",               ALL,   SYS_epoll_create1, {0}},
	{"an answer to master",         ALL,   SYS_getpid,        {0}},
};
/* clang-format on */

static bool is_refusal(enum role role, int error)
{
	return error == EPERM || error == EACCES || (role == ROLE_LOCKER && error == ENOENT);
}

/* Makes all calls; true where one was not refused. */
static void attempt_all(enum role role, pid_t parent, bool went[static TABLE_ROWS(attempts)])
{
	for (size_t i = 0; i < TABLE_ROWS(attempts); i++) {
		long a[ARGS];

		for (size_t n = 0; n < ARGS; n++) {
			long arg = attempts[i].arg[n];

			a[n] = arg == PARENT ? parent : arg;
		}
		long r = syscall(attempts[i].call, a[0], a[1], a[2], a[3], a[4], a[5]);

		went[i] = r >= 0 || !is_refusal(role, errno);
	}
}

/* What a child reports. */
struct report {
	struct why why;
	bool confined, went[TABLE_ROWS(attempts)];
};

static const struct conf no_programs;

static struct confinement walls(enum role role, bool root)
{
	struct confinement c = {.role = role, .privs = {.change = root, .id = {getuid(), getgid()}}};

	if (role == ROLE_STORE || role == ROLE_OPENER)
		c.dirs[0] = w.mail;
	c.stays = role == ROLE_OPENER;
	if (role == ROLE_AUTH)
		c.dirs[0] = w.look;
	if (role == ROLE_ACCESS)
		c.programs = &no_programs;
	if (role == ROLE_BACKEND) {
		c.backend = &no_programs;
		c.module = "sql";
	}
	if (!root)
		return c;
	c.privs.id = role == ROLE_STORE ? (struct identity){OWNER, OWNER} : (struct identity){NOBODY, NOBODY};
	if (role == ROLE_AUTH)
		c.privs.keep = 1ULL << CAP_DAC_READ_SEARCH;
	if (role == ROLE_FRONT || role == ROLE_HASH || role == ROLE_RELAY)
		c.root = w.empty;
	if (role == ROLE_LOCKER) {
		c.privs.keep = 1ULL << CAP_CHOWN;
		c.root = c.dirs[0] = w.spool;
	}
	return c;
}

#define NO_ROLE ROLE_COUNT

/* The child: behind the walls of a role, or of none, it tries everything, reports, and waits until it may end. */
static _Noreturn void probe(enum role role, bool root, pid_t parent, int out, int in)
{
	struct report r = {.confined = role == NO_ROLE};

	if (!root && geteuid() == 0 && role != NO_ROLE &&
	    (setresgid(OWNER, OWNER, OWNER) || setresuid(OWNER, OWNER, OWNER)))
		_exit(1);
	if (role != NO_ROLE) {
		struct confinement c = walls(role, root);

		r.confined = confine(&c, &r.why) == OK && confine_finish(role, parent, &r.why) == OK;
	}
	if (r.confined)
		attempt_all(role, parent, r.went);
	if (write(out, &r, sizeof r) != sizeof r || read(in, octet, 1) < 0)
		_exit(1);
	_exit(0);
}

/* Its user, groups, capabilities, as the kernel tells; the caller's buffer. */
static void status_read(pid_t pid, char *text, size_t cap)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, cap - 1);

	check(n > 0);
	text[n] = '\0';
	close(fd);
}

/* Runs a probe to its end; `status` gets its /proc status while it waits. */
static struct report probe_run(enum role role, bool root, char *status, size_t cap)
{
	int out[2], in[2];
	struct report r;

	check(pipe2(out, O_CLOEXEC) == 0 && pipe2(in, O_CLOEXEC) == 0);
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		close(in[1]);
		probe(role, root, parent, out[1], in[0]);
	}
	close(out[1]);
	close(in[0]);
	check(read(out[0], &r, sizeof r) == sizeof r);
	if (status)
		status_read(pid, status, cap);
	close(in[1]);
	close(out[0]);
	check(waitpid(pid, NULL, 0) == pid);
	(void)unlink(w.made); /* what the rows that must not have left, one without walls has */
	(void)unlink(w.moved);
	return r;
}

static bool is_signal(long call)
{
	return call == SYS_kill || call == SYS_tgkill || call == SYS_tkill;
}

static void roles_check(bool root)
{
	for (enum role role = ROLE_FRONT; role < ROLE_COUNT; role++) {
		if (role == ROLE_LOCKER && !root)
			continue;
		struct report r = probe_run(role, root, NULL, 0);

		if (!r.confined)
			print_error("%s: %s\n", role_name(role), r.why.text);
		check_row(role, role_name(role), r.confined);
		for (size_t i = 0; i < TABLE_ROWS(attempts); i++) {
			if (role == ROLE_ACCESS && !root && landlock_abi() < SIGNALS_ABI && is_signal(attempts[i].call))
				continue; /* then Landlock knows nothing of signals to others of the same user */
			bool may =
				(root ? attempts[i].may : attempts[i].may | attempts[i].may >> ROLE_COUNT) >> role & 1;

			if (r.went[i] != may)
				print_error("%s as %s: ", role_name(role), root ? "root" : "a user");
			check_row(i, attempts[i].name, r.went[i] == may);
		}
	}
}

static void test_no_walls(void **state)
{
	(void)state;
	struct report r = probe_run(NO_ROLE, true, NULL, 0);

	for (size_t i = 0; i < TABLE_ROWS(attempts); i++)
		check_row(i, attempts[i].name, r.went[i] || geteuid() != 0);
}

static void test_as_root(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("test_as_root needs root\n");
		skip();
	}
	roles_check(true);
}

/* chroot is missing; Landlock and the filter hold. */
static void test_as_user(void **state)
{
	(void)state;
	if (landlock_abi() == 0) {
		print_message("test_as_user needs Landlock\n");
		skip();
	}
	check(chmod(w.record, 0444) == 0); /* without the capability of auth */
	roles_check(false);
	check(chmod(w.record, 0400) == 0);
}

/* The same behind a filter that was made beforehand. */
static void test_prepared(void **state)
{
	struct why why = {""};

	check(syscalls_prepare(&why) == OK && syscalls_prepare(&why) == OK);
	if (geteuid() == 0)
		roles_check(true);
	test_as_user(state);
}

/* What the kernel says about a process of each role. */
static const struct {
	enum role role;
	const char *line;
} facts[] = {
	{ROLE_FRONT, "Uid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_FRONT, "Gid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_FRONT, "Groups:\t \n"},
	{ROLE_FRONT, "CapInh:\t0000000000000000\n"},
	{ROLE_FRONT, "CapPrm:\t0000000000000000\n"},
	{ROLE_FRONT, "CapEff:\t0000000000000000\n"},
	{ROLE_FRONT, "CapBnd:\t0000000000000000\n"},
	{ROLE_FRONT, "CapAmb:\t0000000000000000\n"},
	{ROLE_FRONT, "NoNewPrivs:\t1\n"},
	{ROLE_FRONT, "Seccomp:\t2\n"},
	{ROLE_HASH, "Uid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_HASH, "CapPrm:\t0000000000000000\n"},
	{ROLE_HASH, "Seccomp:\t2\n"},
	{ROLE_AUTH, "Uid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_AUTH, "Groups:\t \n"},
	{ROLE_AUTH, "CapPrm:\t0000000000000004\n"}, /* CAP_DAC_READ_SEARCH, held by Landlock */
	{ROLE_AUTH, "CapBnd:\t0000000000000000\n"},
	{ROLE_AUTH, "NoNewPrivs:\t1\n"},
	{ROLE_AUTH, "Seccomp:\t2\n"},
	{ROLE_LOCKER, "Uid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_LOCKER, "Groups:\t \n"},
	{ROLE_LOCKER, "CapPrm:\t0000000000000001\n"}, /* CAP_CHOWN, in its directory */
	{ROLE_LOCKER, "CapEff:\t0000000000000001\n"},
	{ROLE_LOCKER, "CapBnd:\t0000000000000000\n"},
	{ROLE_LOCKER, "NoNewPrivs:\t1\n"},
	{ROLE_LOCKER, "Seccomp:\t2\n"},
	{ROLE_ACCESS, "Uid:\t65534\t65534\t65534\t65534\n"},
	{ROLE_ACCESS, "Groups:\t \n"},
	{ROLE_ACCESS, "CapPrm:\t0000000000000000\n"},
	{ROLE_ACCESS, "CapEff:\t0000000000000000\n"},
	{ROLE_ACCESS, "CapBnd:\t0000000000000000\n"},
	{ROLE_ACCESS, "NoNewPrivs:\t1\n"},
	{ROLE_ACCESS, "Seccomp:\t2\n"},
	{ROLE_OPENER, "Uid:\t0\t0\t0\t65534\n"}, /* nobody may signal it; in the file system it is anybody but root */
	{ROLE_OPENER, "Gid:\t0\t0\t0\t65534\n"},
	{ROLE_OPENER, "Groups:\t \n"},
	{ROLE_OPENER, "CapPrm:\t00000000000000c0\n"}, /* CAP_SETUID and CAP_SETGID */
	{ROLE_OPENER, "CapEff:\t00000000000000c0\n"},
	{ROLE_OPENER, "CapBnd:\t0000000000000000\n"},
	{ROLE_OPENER, "NoNewPrivs:\t1\n"},
	{ROLE_OPENER, "Seccomp:\t2\n"},
	{ROLE_STORE, "Uid:\t20077\t20077\t20077\t20077\n"},
	{ROLE_STORE, "Gid:\t20077\t20077\t20077\t20077\n"},
	{ROLE_STORE, "Groups:\t \n"},
	{ROLE_STORE, "CapPrm:\t0000000000000000\n"},
	{ROLE_STORE, "CapBnd:\t0000000000000000\n"},
	{ROLE_STORE, "NoNewPrivs:\t1\n"},
	{ROLE_STORE, "Seccomp:\t2\n"},
};

static void test_kernel_agrees(void **state)
{
	(void)state;
	char status[ROLE_COUNT][4096] = {{0}};

	if (geteuid() != 0) {
		print_message("test_kernel_agrees needs root\n");
		skip();
	}
	for (enum role role = ROLE_FRONT; role < ROLE_COUNT; role++)
		(void)probe_run(role, true, status[role], sizeof status[role]);
	for (size_t i = 0; i < TABLE_ROWS(facts); i++)
		check_row(i, facts[i].line, strstr(status[facts[i].role], facts[i].line));
}

/* The nursery, and in it workers before they have their own filter. A row's number, from 1, is the child's exit status where it went otherwise. */
static void test_nursery(void **state)
{
	static const struct {
		long call;
		bool refused;
	} row[] = {
		{SYS_execve, true},   {SYS_socket, true},     {SYS_connect, true}, {SYS_ptrace, true},
		{SYS_mount, true},    {SYS_chroot, true},     {SYS_unshare, true}, {SYS_bpf, true},
		{SYS_tkill, true},    {SYS_pidfd_open, true}, {SYS_kill, true},    {SYS_clone, true},
		{SYS_setuid, true},   {SYS_clone3, false},    {SYS_capset, false}, {SYS_seccomp, false},
		{SYS_openat2, false}, {SYS_mkdirat, false},
	};
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct why why;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscalls_restrict_nursery(&why) != OK)
			_exit(UINT8_MAX);
		for (size_t i = 0; i < TABLE_ROWS(row); i++)
			if ((syscall(row[i].call, -1, -1, -1, -1, -1, -1) < 0 && errno == EPERM) != row[i].refused)
				_exit((int)i + 1);
		_exit(syscalls_restrict(ROLE_STORE, &why) == OK ? 0 : UINT8_MAX);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A failed assertion must be told from a kill in the log. */
static void test_abort(void **state)
{
	(void)state;
	pid_t parent = getpid(), pid = fork();
	int status;

	if (pid == 0) {
		struct confinement c = walls(ROLE_HASH, false);
		struct why why;

		if (confine(&c, &why) != OK || confine_finish(ROLE_HASH, parent, &why) != OK)
			_exit(1);
		abort();
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* A scan of store may have threads; they are no way to a process. */
static void *run_thread(void *ran)
{
	*(bool *)ran = true;
	return NULL;
}

static bool may_have_threads(enum role role, pid_t parent)
{
	struct confinement c = walls(role, geteuid() == 0);
	struct why why;
	pthread_t thread;
	bool ran = false;

	if (confine(&c, &why) != OK || confine_finish(role, parent, &why) != OK)
		_exit(2);
	bool made = pthread_create(&thread, NULL, run_thread, &ran) == 0 && pthread_join(thread, NULL) == 0;

	if (fork() >= 0 || errno != EPERM)
		_exit(3);
	return made && ran;
}

static void test_threads(void **state)
{
	static const enum role roles[] = {ROLE_STORE, ROLE_FRONT, ROLE_AUTH, ROLE_HASH};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(roles); i++) {
		pid_t parent = getpid(), pid = fork();
		int status;

		if (pid == 0)
			_exit(may_have_threads(roles[i], parent) ? 1 : 0);
		check(waitpid(pid, &status, 0) == pid);
		check_row(i, role_name(roles[i]), WIFEXITED(status) && WEXITSTATUS(status) == (roles[i] == ROLE_STORE));
	}
}

static void file_make(const char *path, mode_t mode, uid_t owner)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	check(fd >= 0 && write(fd, "x", 1) == 1);
	if (geteuid() == 0)
		check(fchown(fd, owner, owner) == 0);
	close(fd);
}

/* auth that looks system users up: files of /etc that group shadow or everybody may read, and password files of virtual
 * domains likewise. The right to read every file is not kept, even where it is asked for. */
enum { SHADOW = 20042 };

static const struct {
	const char *name;
	gid_t group;
	mode_t mode;
	bool in_etc, may;
} readable[] = {
	{"shadow", SHADOW, 0640, true, true},  {"passwd", 0, 0644, true, true},
	{"private", 0, 0640, true, false},     {"key", 0, 0600, true, false},
	{"domain", SHADOW, 0640, false, true}, {"domain of root", 0, 0600, false, false},
};

/* The child: true in `went` for what could be opened. */
static _Noreturn void probe_system(const struct confinement *c, pid_t parent, int out, int in)
{
	struct report r = {.confined = false};
	char path[128];

	r.confined = confine(c, &r.why) == OK && confine_finish(c->role, parent, &r.why) == OK;
	for (size_t i = 0; r.confined && i < TABLE_ROWS(readable); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", readable[i].in_etc ? w.etc : w.look, readable[i].name);
		r.went[i] = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) >= 0;
	}
	if (write(out, &r, sizeof r) != sizeof r || read(in, octet, 1) < 0)
		_exit(1);
	_exit(0);
}

static void readable_make(void)
{
	char path[128];

	for (size_t i = 0; i < TABLE_ROWS(readable); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", readable[i].in_etc ? w.etc : w.look, readable[i].name);
		file_make(path, readable[i].mode, 0);
		check(chown(path, 0, readable[i].group) == 0 && chmod(path, readable[i].mode) == 0);
	}
}

static void readable_remove(void)
{
	char path[128];

	for (size_t i = 0; i < TABLE_ROWS(readable); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", readable[i].in_etc ? w.etc : w.look, readable[i].name);
		check(unlink(path) == 0);
	}
}

static void test_auth_of_system_users(void **state)
{
	struct confinement c = {.role = ROLE_AUTH,
				.privs = {.change = true,
					  .id = {NOBODY, NOBODY},
					  .in_group = true,
					  .group = SHADOW,
					  .keep = 1ULL << CAP_DAC_READ_SEARCH},
				.dirs = {w.look, w.etc}};
	char status[4096];
	int out[2], in[2];
	struct report r;

	(void)state;
	if (geteuid() != 0) {
		print_message("test_auth_of_system_users needs root\n");
		skip();
	}
	readable_make();
	check(pipe2(out, O_CLOEXEC) == 0 && pipe2(in, O_CLOEXEC) == 0);
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		close(in[1]);
		probe_system(&c, parent, out[1], in[0]);
	}
	close(out[1]);
	close(in[0]);
	check(read(out[0], &r, sizeof r) == sizeof r && r.confined);
	status_read(pid, status, sizeof status);
	close(in[1]);
	close(out[0]);
	check(waitpid(pid, NULL, 0) == pid);
	readable_remove();
	for (size_t i = 0; i < TABLE_ROWS(readable); i++)
		check_row(i, readable[i].name, r.went[i] == readable[i].may);
	check(strstr(status, "Groups:\t20042 \n") && strstr(status, "CapPrm:\t0000000000000000\n"));
	check(strstr(status, "Gid:\t65534\t65534\t65534\t65534\n"));
}

/* No role ever runs as root, and none takes a parent that has gone. */
static void test_refuses(void **state)
{
	(void)state;
	struct privs root = {.change = true}, group = {.change = true, .id = {NOBODY, NOBODY}, .in_group = true};
	struct why why = {""};

	check(privs_drop(&root, &why) != OK && strstr(why.text, "root"));
	check(privs_drop(&group, &why) != OK && (geteuid() != 0 || strstr(why.text, "group root")));
	check(confine_finish(ROLE_HASH, getpid(), &why) != OK && strstr(why.text, "parent"));
}

static void test_users(void **state)
{
	(void)state;
	struct identity id;
	struct why why = {""};

	check(identity_find("no-user-of-this-name", &id, &why) == ERR_PERM);
	check(strstr(why.text, "systemd-sysusers") && strstr(why.text, "useradd --system"));
	check(identity_find("root", &id, &why) == ERR_PERM);
	check(identity_find("nobody", &id, &why) == OK && id.uid == NOBODY);
}

static const struct {
	const char *name;
	bool system;
} tops[] = {
	{"etc", true},   {"usr", true},       {"lib", true},   {"lib64", true}, {"libx32", true},
	{"run", true},   {"dev", true},       {"home", false}, {"var", false},  {"srv", false},
	{"mail", false}, {"etcetera", false}, {"tmp", false},  {"li", false},
};

static void test_system_dirs(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(tops); i++)
		check_row(i, tops[i].name, confine_is_system(tops[i].name) == tops[i].system);
}

static void dir_make(const char *path, mode_t mode, uid_t owner)
{
	check(mkdir(path, mode) == 0);
	if (geteuid() == 0)
		check(chown(path, owner, owner) == 0);
}

static void descriptor_put(int fd, int number)
{
	check(fd >= 0 && dup2(fd, number) == number);
	close(fd);
}

#define PATH(member, ...) ((void)snprintf(w.member, sizeof w.member, __VA_ARGS__))

static int world_make(void **state)
{
	(void)state;
	umask(022);
	PATH(top, "/var/tmp/pop3d-confine-XXXXXX");
	check(mkdtemp(w.top) && chmod(w.top, 0755) == 0);
	PATH(empty, "%s/empty", w.top);
	PATH(look, "%s/domains", w.top);
	PATH(etc, "%s/etc", w.top);
	PATH(record, "%s/example.org", w.look);
	PATH(mail, "%s/mail", w.top);
	PATH(spool, "%s/spool", w.top);
	PATH(message, "%s/message", w.mail);
	PATH(made, "%s/made", w.mail);
	PATH(moved, "%s/moved", w.mail);
	(void)snprintf(nobody_there.sun_path, sizeof nobody_there.sun_path, "%s/nobody", w.mail);
	dir_make(w.empty, 0555, 0);
	dir_make(w.look, 0755, 0);
	dir_make(w.etc, 0755, 0);
	file_make(w.record, 0400, 0); /* only root may read it: auth does so by its capability */
	dir_make(w.mail, 0700, OWNER);
	dir_make(w.spool, 0700, NOBODY);
	file_make(w.message, 0600, OWNER);
	descriptor_put(socket(AF_UNIX, SOCK_STREAM, 0), SOCKET);
	descriptor_put(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), LISTENER);
	check(listen(LISTENER, 1) == 0);
	descriptor_put(open(w.message, O_RDWR | O_CLOEXEC), MESSAGE);
	return 0;
}

static int world_remove(void **state)
{
	(void)state;
	(void)unlink(nobody_there.sun_path);
	(void)unlink(w.moved);
	(void)unlink(w.made);
	return unlink(w.message) || unlink(w.record) || rmdir(w.mail) || rmdir(w.spool) || rmdir(w.look) ||
	       rmdir(w.etc) || rmdir(w.empty) || rmdir(w.top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_walls),
		cmocka_unit_test(test_as_root),
		cmocka_unit_test(test_as_user),
		cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_kernel_agrees),
		cmocka_unit_test(test_nursery),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_auth_of_system_users),
		cmocka_unit_test(test_system_dirs),
	};

	return cmocka_run_group_tests(tests, world_make, world_remove);
}
