/* master/syscalls.c - see syscalls.h */
#include "master/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sanitized.h"

enum {
	F = 1 << ROLE_FRONT,
	A = 1 << ROLE_AUTH,
	H = 1 << ROLE_HASH,
	R = 1 << ROLE_RELAY,
	L = 1 << ROLE_LOCKER,
	T = 1 << ROLE_STATE,
	O = 1 << ROLE_OPENER,
	S = 1 << ROLE_STORE, /* access and backend have a list of their own */
	ALL = F | A | H | R | L | T | O | S,
	NURSERY = ROLE_COUNT, /* no role, but a process with a list: that of store, whose workers it makes, and */
	N = 1 << NURSERY,
};

/* A condition on one argument: (argument & mask) == value. Mask 0: none. */
struct when {
	unsigned arg;
	uint64_t mask, value;
};

struct row {
	int call;
	unsigned roles;
	struct when when;
};

/* clang-format off */
#define WHOLE UINT32_MAX
#define ANY {0, 0, 0}
#define NOT_EXECUTABLE {2, PROT_EXEC, 0}
#define COMMAND(n) {1, WHOLE, (n)}
#define READING {2, O_ACCMODE | O_CREAT | O_TRUNC | O_PATH, O_RDONLY}
#define LOOKING {2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY}
#define OF_TCP {1, WHOLE, IPPROTO_TCP}
#define TO_ITS_PEER {4, UINT64_MAX, 0}
#define OF_DESCRIPTOR {3, AT_EMPTY_PATH, AT_EMPTY_PATH}
#define NO_SIGNAL {1, WHOLE, 0}
#define AS_FORK {0, UINT64_MAX, CLONE_PARENT}
/* As pthread_create(3) of any C library makes it: no process, no name space. */
#define A_THREAD {0, WHOLE & ~(uint64_t)CLONE_DETACHED, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
		CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID}

static const struct row allowed[] = {
	/* memory: never executable */
	{SCMP_SYS(brk), ALL, ANY},
	{SCMP_SYS(mmap), ALL, NOT_EXECUTABLE},
	{SCMP_SYS(mprotect), ALL, NOT_EXECUTABLE},
	{SCMP_SYS(munmap), ALL, ANY},
	{SCMP_SYS(mremap), ALL, ANY},
	{SCMP_SYS(madvise), ALL, ANY},
	/* the process itself, its end included */
	{SCMP_SYS(getpid), ALL, ANY},
	{SCMP_SYS(getppid), L | S, ANY},
	{SCMP_SYS(gettid), ALL, ANY},
	{SCMP_SYS(getuid), ALL, ANY},
	{SCMP_SYS(geteuid), ALL, ANY},
	{SCMP_SYS(getgid), ALL, ANY},
	{SCMP_SYS(getegid), ALL, ANY},
	{SCMP_SYS(uname), ALL, ANY}, /* libev asks for the kernel's version */
	{SCMP_SYS(futex), ALL, ANY},
	{SCMP_SYS(sched_yield), ALL, ANY},
	{SCMP_SYS(getrandom), ALL, ANY},
	{SCMP_SYS(rt_sigaction), ALL, ANY},
	{SCMP_SYS(rt_sigprocmask), ALL, ANY},
	{SCMP_SYS(rt_sigreturn), ALL, ANY},
	{SCMP_SYS(restart_syscall), ALL, ANY},
	{SCMP_SYS(exit), ALL, ANY},
	{SCMP_SYS(exit_group), ALL, ANY},
	/* time */
	{SCMP_SYS(clock_gettime), ALL, ANY},
	{SCMP_SYS(gettimeofday), ALL, ANY},
	{SCMP_SYS(time), ALL, ANY},
	{SCMP_SYS(clock_nanosleep), ALL, ANY},
	{SCMP_SYS(nanosleep), ALL, ANY},
	/* the event loop */
	{SCMP_SYS(epoll_create1), ALL, ANY},
	{SCMP_SYS(epoll_ctl), ALL, ANY},
	{SCMP_SYS(epoll_wait), ALL, ANY},
	{SCMP_SYS(epoll_pwait), ALL, ANY},
	{SCMP_SYS(eventfd2), ALL, ANY},
	{SCMP_SYS(timerfd_create), ALL, ANY},
	{SCMP_SYS(timerfd_settime), ALL, ANY},
	{SCMP_SYS(poll), ALL, ANY},
	/* Descriptors that are there already: no owner, no signals by them (F_SETOWN, F_SETSIG), and their flags stay
	 * (F_SETFL), since some are shared with master and others, who must never block on them. libev tries, and does
	 * not mind. */
	{SCMP_SYS(read), ALL, ANY},
	{SCMP_SYS(readv), ALL, ANY},
	{SCMP_SYS(write), ALL, ANY},
	{SCMP_SYS(writev), ALL, ANY},
	{SCMP_SYS(sendmsg), ALL, ANY},
	{SCMP_SYS(recvmsg), ALL, ANY},
	{SCMP_SYS(shutdown), ALL, ANY},
	{SCMP_SYS(close), ALL, ANY},
	{SCMP_SYS(fstat), ALL, ANY},
	{SCMP_SYS(newfstatat), ALL, OF_DESCRIPTOR},
	{SCMP_SYS(fcntl), ALL, COMMAND(F_DUPFD_CLOEXEC)},
	{SCMP_SYS(fcntl), ALL, COMMAND(F_GETFD)},
	{SCMP_SYS(fcntl), ALL, COMMAND(F_SETFD)},
	{SCMP_SYS(fcntl), ALL, COMMAND(F_GETFL)},
	{SCMP_SYS(fcntl), F | O | S, COMMAND(F_GET_SEALS)},
	{SCMP_SYS(fcntl), F | S, COMMAND(F_ADD_SEALS)},
	{SCMP_SYS(pread64), F | A | L | T | O | S, ANY},
	{SCMP_SYS(preadv), F | S, ANY},
	{SCMP_SYS(preadv2), F | S, ANY},
	{SCMP_SYS(lseek), T | S, ANY},
	{SCMP_SYS(fstatfs), F | T | O | S, ANY},
	{SCMP_SYS(statx), F | O, {2, AT_EMPTY_PATH, AT_EMPTY_PATH}}, /* of a descriptor */
	{SCMP_SYS(memfd_create), F | S, ANY},
	{SCMP_SYS(ftruncate), F | L | T | S, ANY},
	{SCMP_SYS(pwrite64), F | L | T | S, ANY},
	/* clients: sockets come from listeners only */
	{SCMP_SYS(accept4), F, ANY},
	{SCMP_SYS(recvfrom), F, ANY},
	{SCMP_SYS(sendto), F, TO_ITS_PEER},
	{SCMP_SYS(setsockopt), F, OF_TCP}, /* no SO_LINGER: whoever is sent such a socket would wait when closing it */
	{SCMP_SYS(getsockopt), F, ANY},
	{SCMP_SYS(getsockname), F, ANY},
	{SCMP_SYS(getpeername), F, ANY},
	{SCMP_SYS(ioctl), F, COMMAND(TIOCOUTQ)},
	{SCMP_SYS(prlimit64), F | S, {0, WHOLE, 0}}, /* its own */
	/* files: which ones, Landlock says */
	{SCMP_SYS(openat), A, READING},
	{SCMP_SYS(openat), O, LOOKING},
	{SCMP_SYS(newfstatat), A | L | T | O | S, ANY},
	/* libraries of Kerberos read so: with a lock on the file of keys */
	{SCMP_SYS(access), A, ANY},
	{SCMP_SYS(faccessat), A, ANY},
	{SCMP_SYS(lseek), A, ANY},
	{SCMP_SYS(fcntl), A, COMMAND(F_OFD_SETLKW)},
	/* mail: whatever its owner may do to regular files and directories */
	{SCMP_SYS(openat), L | T | S, ANY},
	{SCMP_SYS(openat2), S, ANY},
	{SCMP_SYS(statx), S, ANY},
	{SCMP_SYS(faccessat), S, ANY},
	{SCMP_SYS(faccessat2), O | S, ANY},
	{SCMP_SYS(access), S, ANY},
	{SCMP_SYS(getdents64), S, ANY},
	{SCMP_SYS(readlink), T | S, ANY},
	{SCMP_SYS(readlinkat), T | S, ANY},
	{SCMP_SYS(fadvise64), S, ANY},
	{SCMP_SYS(pwritev), T | S, ANY},
	{SCMP_SYS(pwritev2), S, ANY},
	{SCMP_SYS(fsync), L | T | S, ANY},
	{SCMP_SYS(fdatasync), T | S, ANY},
	{SCMP_SYS(sync_file_range), S, ANY},
	{SCMP_SYS(fallocate), S, ANY},
	{SCMP_SYS(copy_file_range), S, ANY},
	{SCMP_SYS(sendfile), S, ANY},
	{SCMP_SYS(rename), S, ANY},
	{SCMP_SYS(renameat), L | S, ANY},
	{SCMP_SYS(renameat2), L | S, ANY},
	{SCMP_SYS(link), S, ANY},
	{SCMP_SYS(linkat), L | S, ANY},
	{SCMP_SYS(unlink), S, ANY},
	{SCMP_SYS(unlinkat), L | S, ANY},
	{SCMP_SYS(mkdir), S, ANY},
	{SCMP_SYS(mkdirat), S, ANY},
	{SCMP_SYS(rmdir), S, ANY},
	{SCMP_SYS(fchmod), L | S, ANY},
	{SCMP_SYS(fchown), L | S, ANY},
	{SCMP_SYS(utimensat), S, ANY},
	{SCMP_SYS(fgetxattr), S, ANY},
	{SCMP_SYS(lgetxattr), L, ANY},
	{SCMP_SYS(fsetxattr), L | S, ANY},
	{SCMP_SYS(fremovexattr), L | S, ANY},
	{SCMP_SYS(kill), L | S, NO_SIGNAL}, /* does the process that a lock names still run? */
	{SCMP_SYS(flock), T | S, ANY},
	{SCMP_SYS(statfs), S, ANY},
	{SCMP_SYS(getcwd), S, ANY},
	{SCMP_SYS(umask), S, ANY},
	{SCMP_SYS(fcntl), T | S, COMMAND(F_GETLK)},
	{SCMP_SYS(fcntl), T | S, COMMAND(F_SETLK)},
	{SCMP_SYS(fcntl), S, COMMAND(F_SETLKW)},
	{SCMP_SYS(fcntl), S, COMMAND(F_OFD_GETLK)},
	{SCMP_SYS(fcntl), L | O | S, COMMAND(F_OFD_SETLK)},
	/* another one in the file system: whoever owns the mail, see also owners_add */
	{SCMP_SYS(setfsgid), O, ANY},
	{SCMP_SYS(prctl), O, {0, WHOLE, PR_SET_PDEATHSIG}},
	{SCMP_SYS(prctl), O, {0, WHOLE, PR_SET_DUMPABLE}},
	{SCMP_SYS(fcntl), S, COMMAND(F_OFD_SETLKW)},
	/* threads of a scan (store/crew.h), and what each says of itself when it begins; see clone3_refuse */
	{SCMP_SYS(clone), S, A_THREAD},
	{SCMP_SYS(set_robust_list), S, ANY},
	{SCMP_SYS(rseq), S, ANY},
	/* the nursery: a process, which is made a worker of store */
	{SCMP_SYS(clone), N, AS_FORK},
	{SCMP_SYS(sendto), N, TO_ITS_PEER},
	{SCMP_SYS(prctl), N, ANY},
	{SCMP_SYS(prlimit64), N, {0, WHOLE, 0}},
	{SCMP_SYS(sched_getscheduler), N, ANY},
	{SCMP_SYS(sched_setscheduler), N, ANY},
	{SCMP_SYS(close_range), N, ANY},
	{SCMP_SYS(chdir), N, ANY},
	{SCMP_SYS(setgroups), N, ANY},
	{SCMP_SYS(getgroups), N, ANY},
	{SCMP_SYS(setresgid), N, ANY},
	{SCMP_SYS(getresgid), N, ANY},
	{SCMP_SYS(setresuid), N, ANY},
	{SCMP_SYS(getresuid), N, ANY},
	{SCMP_SYS(capget), N, ANY},
	{SCMP_SYS(capset), N, ANY},
	{SCMP_SYS(landlock_create_ruleset), N, ANY},
	{SCMP_SYS(landlock_add_rule), N, ANY},
	{SCMP_SYS(landlock_restrict_self), N, ANY},
	{SCMP_SYS(seccomp), N, ANY},
	{SCMP_SYS(tgkill), N, {2, WHOLE, SIGABRT}}, /* each worker's number is its own: its own filter knows it */
#ifdef SANITIZED
	/* only in builds with AddressSanitizer, for its run time: */
	{SCMP_SYS(sigaltstack), ALL, ANY},
	{SCMP_SYS(prlimit64), ALL, ANY},
	{SCMP_SYS(mincore), ALL, ANY},
	{SCMP_SYS(sched_getaffinity), S, ANY}, /* of a thread, when it begins */
	{SCMP_SYS(pipe), ALL, ANY},
	{SCMP_SYS(pipe2), ALL, ANY},
#endif
};
/* clang-format on */

static enum err row_add(scmp_filter_ctx filter, const struct row *r, struct why *why)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(r->when.arg, SCMP_CMP_MASKED_EQ, r->when.mask, r->when.value);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, r->when.mask ? 1 : 0, &cmp);

	errno = -err;
	return err < 0 ? fail_errno(why, ERR_TEMP, "allow system call %d", r->call) : OK;
}

/* Access, and with it the programs of access lists: they may make the calls of any program, so this list is of those that they may not.
 * Refused as the kernel refuses whoever has no right to it, so that programs know what to do. */
static const struct {
	int call, error;
	struct when when;
} refused[] = {
	/* other processes */
	{SCMP_SYS(ptrace), EPERM, ANY},
	{SCMP_SYS(process_vm_readv), EPERM, ANY},
	{SCMP_SYS(process_vm_writev), EPERM, ANY},
	{SCMP_SYS(process_madvise), EPERM, ANY},
	{SCMP_SYS(kcmp), EPERM, ANY},
	{SCMP_SYS(pidfd_getfd), EPERM, ANY},
	/* more rights, or another view of the system */
	{SCMP_SYS(setuid), EPERM, ANY},
	{SCMP_SYS(setgid), EPERM, ANY},
	{SCMP_SYS(setreuid), EPERM, ANY},
	{SCMP_SYS(setregid), EPERM, ANY},
	{SCMP_SYS(setresuid), EPERM, ANY},
	{SCMP_SYS(setresgid), EPERM, ANY},
	{SCMP_SYS(setfsuid), EPERM, ANY},
	{SCMP_SYS(setfsgid), EPERM, ANY},
	{SCMP_SYS(setgroups), EPERM, ANY},
	{SCMP_SYS(capset), EPERM, ANY},
	{SCMP_SYS(chroot), EPERM, ANY},
	{SCMP_SYS(pivot_root), EPERM, ANY},
	{SCMP_SYS(mount), EPERM, ANY},
	{SCMP_SYS(umount2), EPERM, ANY},
	{SCMP_SYS(open_tree), EPERM, ANY},
	{SCMP_SYS(move_mount), EPERM, ANY},
	{SCMP_SYS(mount_setattr), EPERM, ANY},
	{SCMP_SYS(fsopen), EPERM, ANY},
	{SCMP_SYS(fsmount), EPERM, ANY},
	{SCMP_SYS(fspick), EPERM, ANY},
	{SCMP_SYS(unshare), EPERM, ANY},
	{SCMP_SYS(setns), EPERM, ANY},
	{SCMP_SYS(clone), EPERM, {0, CLONE_NEWUSER, CLONE_NEWUSER}}, /* without it the others need rights */
	/* parts of the kernel that no such program needs */
	{SCMP_SYS(bpf), EPERM, ANY},
	{SCMP_SYS(perf_event_open), EPERM, ANY},
	{SCMP_SYS(userfaultfd), EPERM, ANY},
	{SCMP_SYS(io_uring_setup), EPERM, ANY},
	{SCMP_SYS(io_uring_enter), EPERM, ANY},
	{SCMP_SYS(io_uring_register), EPERM, ANY},
	{SCMP_SYS(keyctl), EPERM, ANY},
	{SCMP_SYS(add_key), EPERM, ANY},
	{SCMP_SYS(request_key), EPERM, ANY},
	{SCMP_SYS(open_by_handle_at), EPERM, ANY},
	{SCMP_SYS(personality), EPERM, ANY},
	{SCMP_SYS(quotactl), EPERM, ANY},
	{SCMP_SYS(acct), EPERM, ANY},
	{SCMP_SYS(swapon), EPERM, ANY},
	{SCMP_SYS(swapoff), EPERM, ANY},
	{SCMP_SYS(reboot), EPERM, ANY},
	{SCMP_SYS(syslog), EPERM, ANY},
	{SCMP_SYS(kexec_load), EPERM, ANY},
	{SCMP_SYS(kexec_file_load), EPERM, ANY},
	{SCMP_SYS(init_module), EPERM, ANY},
	{SCMP_SYS(finit_module), EPERM, ANY},
	{SCMP_SYS(delete_module), EPERM, ANY},
	/* Nobody waits for clients but front; terminals are typed into by people. */
	{SCMP_SYS(listen), EPERM, ANY},
	{SCMP_SYS(ioctl), EPERM, COMMAND(TIOCSTI)},
};

/* Backend besides: libraries of others may make the calls of any program, too, but start none, and no process. */
static const struct {
	int call;
	struct when when;
} refused_backend[] = {
	{SCMP_SYS(execve), ANY},
	{SCMP_SYS(execveat), ANY},
	{SCMP_SYS(fork), ANY},
	{SCMP_SYS(vfork), ANY},
	{SCMP_SYS(clone), {0, CLONE_THREAD, 0}},
	{SCMP_SYS(kill), ANY},
	{SCMP_SYS(tkill), ANY},
	{SCMP_SYS(pidfd_open), ANY},
	{SCMP_SYS(pidfd_send_signal), ANY},
	{SCMP_SYS(accept), ANY},
	{SCMP_SYS(accept4), ANY},
};

/* abort() ends in a signal to ourselves: that one may be sent, so that the log tells what happened. */
static enum err abort_add(scmp_filter_ctx filter, pid_t pid, struct why *why)
{
	struct row self = {SCMP_SYS(tgkill), ALL, {0, WHOLE, (uint64_t)pid}};

	return row_add(filter, &self, why);
}

/* Opener is any user but root when it looks at files: of such a uid some bit is set. (What the kernel does not see of the argument counts for nothing.) */
static enum err owners_add(scmp_filter_ctx filter, struct why *why)
{
	enum err err = OK;

	for (unsigned bit = 0; err == OK && bit < 32; bit++) {
		const struct row owner = {SCMP_SYS(setfsuid), O, {0, UINT64_C(1) << bit, UINT64_C(1) << bit}};

		err = row_add(filter, &owner, why);
	}
	return err;
}

static enum err refuse(scmp_filter_ctx filter, int call, int error, const struct when *when, struct why *why)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(when->arg, SCMP_CMP_MASKED_EQ, when->mask, when->value);

	errno = -seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)error), call, when->mask ? 1 : 0, &cmp);
	return errno != 0 ? fail_errno(why, ERR_TEMP, "refuse system call %d", call) : OK;
}

/* Whose flags cannot be seen: C libraries then make their threads by clone. */
static enum err clone3_refuse(scmp_filter_ctx filter, struct why *why)
{
	static const struct when any = ANY;

	return refuse(filter, SCMP_SYS(clone3), ENOSYS, &any, why);
}

static enum err filter_fill(scmp_filter_ctx filter, unsigned list, pid_t self, struct why *why)
{
	unsigned lists = list == NURSERY ? N | S : 1U << list;

	for (const struct row *r = allowed; r < allowed + sizeof allowed / sizeof *allowed; r++)
		if (r->roles & lists && row_add(filter, r, why) != OK)
			return ERR_TEMP;
	if (lists & S && clone3_refuse(filter, why) != OK)
		return ERR_TEMP;
	if (lists & O && owners_add(filter, why) != OK)
		return ERR_TEMP;
	return abort_add(filter, self, why);
}

static enum err refused_fill(scmp_filter_ctx filter, unsigned role, struct why *why)
{
	enum err err = OK;

	for (size_t i = 0; err == OK && i < sizeof refused / sizeof *refused; i++)
		err = refuse(filter, refused[i].call, refused[i].error, &refused[i].when, why);
	if (err == OK)
		err = clone3_refuse(filter, why);
	for (size_t i = 0; err == OK && role == ROLE_BACKEND && i < sizeof refused_backend / sizeof *refused_backend;
	     i++)
		err = refuse(filter, refused_backend[i].call, EPERM, &refused_backend[i].when, why);
	return err;
}

/* For the process `self`. */
static enum err filter_make(unsigned role, pid_t self, scmp_filter_ctx *out, struct why *why)
{
	bool is_foreign = role == ROLE_ACCESS || role == ROLE_BACKEND; /* code that others wrote */
	scmp_filter_ctx filter = seccomp_init(is_foreign ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));

	if (!filter)
		return fail(why, ERR_TEMP, "no memory for the system call filter");
	/* A call of another architecture is an attack. The optimised filter is a tree, not a chain. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	enum err err = is_foreign ? refused_fill(filter, role, why) : filter_fill(filter, role, self, why);

	if (err == OK)
		*out = filter;
	else
		seccomp_release(filter);
	return err;
}

/* --- made once, for processes that are started often ------------------------------------------------------------ */

enum {
	READY_MOST = 1024, /* instructions */
	/* of no process: where it stands, the number of the one that the filter is for will stand */
	NO_PID = 0x7EDCBA98,
};

static struct {
	struct sock_fprog program;
	unsigned pid_at;
} ready; /* of store */

static enum err program_read(int fd, struct sock_fprog *out, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(why, ERR_TEMP, "read the system call filter");
	size_t octets = (size_t)st.st_size;

	out->filter = malloc(octets);
	out->len = (unsigned short)(octets / sizeof *out->filter);
	if (out->filter && pread(fd, out->filter, octets, 0) == st.st_size)
		return OK;
	free(out->filter);
	out->filter = NULL;
	return fail(why, ERR_TEMP, "no memory for the system call filter");
}

/* Where NO_PID is compared with; the program's length: not in one place. */
static unsigned pid_find(const struct sock_fprog *program)
{
	unsigned at = program->len, n = 0;

	for (unsigned i = 0; i < program->len; i++)
		if (program->filter[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && program->filter[i].k == NO_PID) {
			at = i;
			n++;
		}
	return n == 1 ? at : program->len;
}

static enum err program_make(scmp_filter_ctx filter, struct sock_fprog *out, struct why *why)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	if (fd < 0)
		return fail_errno(why, ERR_TEMP, "make a file for the system call filter");
	errno = -seccomp_export_bpf(filter, fd);
	enum err err =
		errno != 0 ? fail_errno(why, ERR_TEMP, "make the system call filter") : program_read(fd, out, why);

	close(fd);
	return err;
}

enum err syscalls_prepare(struct why *why)
{
	struct sock_fprog *program = &ready.program;
	scmp_filter_ctx filter = NULL;

	if (program->filter)
		return OK;
	enum err err = filter_make(ROLE_STORE, NO_PID, &filter, why);

	if (err != OK)
		return err;
	err = program_make(filter, program, why);
	seccomp_release(filter);
	if (err != OK)
		return err;
	ready.pid_at = pid_find(program);
	if (program->len <= READY_MOST && ready.pid_at < program->len)
		return OK;
	free(program->filter);
	program->filter = NULL;
	return fail(why, ERR_TEMP, "the system call filter has another form than expected");
}

static enum err ready_load(struct why *why)
{
	struct sock_filter own[READY_MOST];
	struct sock_fprog program = {ready.program.len, own};

	memcpy(own, ready.program.filter, program.len * sizeof *own);
	own[ready.pid_at].k = (uint32_t)getpid();
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0
		       ? fail_errno(why, ERR_TEMP, "load the system call filter")
		       : OK;
}

static enum err load(unsigned role, struct why *why)
{
	scmp_filter_ctx filter = NULL;
	enum err err = filter_make(role, getpid(), &filter, why);

	if (err != OK)
		return err;
	errno = -seccomp_load(filter);
	if (errno != 0)
		err = fail_errno(why, ERR_TEMP, "load the system call filter");
	seccomp_release(filter);
	return err;
}

enum err syscalls_restrict(enum role role, struct why *why)
{
	return role == ROLE_STORE && ready.program.filter ? ready_load(why) : load(role, why);
}

enum err syscalls_restrict_nursery(struct why *why)
{
	return load(NURSERY, why);
}
