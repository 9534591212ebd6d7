/* tests/ipc/test_handover.c - what may go from store to front: sealed memory, and files where nobody can make us wait */
#include "ipc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int memory(int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	check(fd >= 0 && fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static int sealed(void)
{
	return memory(F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_GROW);
}

static int not_sealed(void)
{
	return memory(0);
}

static int half_sealed(void)
{
	return memory(F_SEAL_SHRINK);
}

static int a_pipe(void)
{
	int fds[2];

	check(pipe(fds) == 0);
	close(fds[1]);
	return fds[0];
}

static int a_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int a_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int of_proc(void)
{
	return open("/proc/self/status", O_RDONLY);
}

static int nothing(void)
{
	return -1;
}

static const struct {
	const char *name;
	int (*open)(void);
	enum handover kind;
} things[] = {
	{"sealed memory", sealed, HANDOVER_MEMORY}, {"memory", not_sealed, HANDOVER_NOT},
	{"half sealed", half_sealed, HANDOVER_NOT}, {"a pipe", a_pipe, HANDOVER_NOT},
	{"a socket", a_socket, HANDOVER_NOT},       {"a directory", a_directory, HANDOVER_NOT},
	{"of /proc", of_proc, HANDOVER_NOT},        {"nothing", nothing, HANDOVER_NOT},
};

static void test_things(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(things); i++) {
		int fd = things[i].open();

		check_row(i, things[i].name, handover_kind(fd) == things[i].kind);
		if (fd >= 0)
			close(fd);
	}
}

/* A file of ours: what it is depends on the machine. */
static void test_file(void **state)
{
	char name[] = "/var/tmp/pop3d-test-XXXXXX";
	int fd = mkstemp(name);
	struct stat st;
	struct statfs fs;

	(void)state;
	check(fd >= 0 && unlink(name) == 0 && fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0);
	if (fs.f_type == EXT4_SUPER_MAGIC)
		check(handover_kind(fd) == HANDOVER_NOWAIT);
	else if (major(st.st_dev) == 0)
		check(handover_kind(fd) == HANDOVER_NOT);
	close(fd);
}

static void reply(int dev, const struct fuse_in_header *in, int error, const void *p, size_t n)
{
	char octets[512];
	struct fuse_out_header out = {.len = (uint32_t)(sizeof out + n), .error = error, .unique = in->unique};

	memcpy(octets, &out, sizeof out);
	if (n > 0)
		memcpy(octets + sizeof out, p, n);
	check(write(dev, octets, out.len) == (ssize_t)out.len);
}

static void answer(int dev, const struct fuse_in_header *in)
{
	const struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 65536};
	const struct fuse_entry_out entry = {.nodeid = 2, .attr = {.ino = 2, .mode = S_IFREG | 0600, .nlink = 1}};
	const struct fuse_open_out opened = {.fh = 1};

	if (in->opcode == FUSE_INIT)
		reply(dev, in, 0, &init, sizeof init);
	else if (in->opcode == FUSE_LOOKUP)
		reply(dev, in, 0, &entry, sizeof entry);
	else if (in->opcode == FUSE_OPEN)
		reply(dev, in, 0, &opened, sizeof opened);
	else
		reply(dev, in, -ENOSYS, NULL, 0);
}

/* A file system that answers until a file of it is open. */
static _Noreturn void serve(int dev)
{
	static char request[1 << 17];
	struct fuse_in_header in = {0};

	while (in.opcode != FUSE_OPEN && read(dev, request, sizeof request) > 0) {
		memcpy(&in, request, sizeof in);
		answer(dev, &in);
	}
	for (;;)
		pause();
}

/* Behind FUSE any user may stand, and looking must not wait for him. Needs root, to mount. The process that looks
 * cannot even end before the server does: that closes the descriptor. */
static void test_silent_file_system(void **state)
{
	char dir[] = "/var/tmp/pop3d-test-XXXXXX", options[64], name[64];
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)state;
	if (geteuid() != 0 || dev < 0)
		skip();
	check(mkdtemp(dir));
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	check(mount("test", dir, "fuse", 0, options) == 0);
	pid_t server = fork();

	if (server == 0)
		serve(dev);
	close(dev);
	snprintf(name, sizeof name, "%s/file", dir);
	int fd = open(name, O_RDONLY);
	struct pollfd seen = {.events = POLLIN};
	int pair[2];

	check(pipe(pair) == 0);
	seen.fd = pair[0];
	pid_t looker = fork();

	if (looker == 0) {
		char kind = (char)handover_kind(fd);

		_exit(write(pair[1], &kind, 1) == 1 ? 0 : 1);
	}
	char kind = -1;
	bool in_time = poll(&seen, 1, 20000) == 1 && read(pair[0], &kind, 1) == 1;

	/* Without its server the file system is dead, and nobody waits for it any more. */
	check(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
	check(waitpid(looker, NULL, 0) == looker);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	check(umount2(dir, MNT_DETACH) == 0 && rmdir(dir) == 0);
	check(in_time && kind == HANDOVER_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_things),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_silent_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
