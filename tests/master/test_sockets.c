/* tests/master/test_sockets.c - listening sockets over reloads: which are kept, opened, closed, and when that is an error */
#include "master/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "ipc/role.h"

/* The rest of master wants the roles. */
int front_main(const struct role_env *env)
{
	(void)env;
	return 1;
}

int auth_main(const struct role_env *env)
{
	return front_main(env);
}

int hash_main(const struct role_env *env)
{
	return front_main(env);
}

int access_main(const struct role_env *env)
{
	return front_main(env);
}

int state_main(const struct role_env *env)
{
	return front_main(env);
}

int store_main(const struct role_env *env)
{
	return front_main(env);
}

int opener_main(const struct role_env *env)
{
	return front_main(env);
}

enum err auth_kerberos_load(struct role_env *env, struct why *why)
{
	return env && why ? OK : ERR_TEMP;
}

enum err auth_keytab_check(const struct conf *cf, struct why *why)
{
	return cf && why ? OK : ERR_TEMP;
}

size_t auth_penalties_octets(void)
{
	return 0;
}

size_t auth_cache_octets(const struct conf *cf)
{
	(void)cf;
	return 0;
}

size_t state_octets(void)
{
	return 0;
}

static uint16_t taken; /* a port that somebody else listens on */

/* An address of 127.0.0.0/8. */
static struct conf_server inet(unsigned last, uint16_t port)
{
	struct conf_server s = {.backlog = 5, .addr_len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in = (void *)&s.addr;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + last);
	return s;
}

static struct conf_server in_file(const char *path)
{
	struct conf_server s = {.backlog = 5, .addr_len = sizeof(struct sockaddr_un)};
	struct sockaddr_un *un = (void *)&s.addr;

	un->sun_family = AF_UNIX;
	(void)snprintf(un->sun_path, sizeof un->sun_path, "%s", path);
	return s;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in in = {0};
	socklen_t len = sizeof in;

	check(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
	return ntohs(in.sin_port);
}

static int begin(void **state)
{
	struct log_setup quiet = {.fd = -1};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct conf_server any = inet(0, 0);

	(void)state;
	log_setup(&quiet);
	if (fd < 0 || bind(fd, (struct sockaddr *)&any.addr, any.addr_len) < 0 || listen(fd, 1) < 0)
		return -1;
	taken = port_of(fd);
	return 0;
}

static void test_reload(void **state)
{
	char path[64];
	struct why why;
	struct listeners l, next;

	(void)state;
	(void)snprintf(path, sizeof path, "/tmp/pop3d-sockets-%ld", (long)getpid());
	struct conf_server before[] = {inet(1, 0), in_file(path), inet(2, 0)};
	struct conf cf = {.servers = before, .nservers = 3};

	check(listeners_open(&l, &cf, NULL, &why) == OK && l.open == 3 && access(path, F_OK) == 0);
	/* kept by address, whatever its place; what is new is opened; what is gone is closed, its file removed */
	struct conf_server after[] = {inet(3, 0), inet(1, 0)};
	struct conf cf2 = {.servers = after, .nservers = 2};
	int kept = l.fd[0], file = l.fd[1], other = l.fd[2];

	check(listeners_open(&next, &cf2, &l, &why) == OK && next.fd[1] == kept && next.fd[0] != kept);
	check(is_open(file) && access(path, F_OK) == 0); /* as long as the old one is in force */
	listeners_close(&l, &next);
	check(is_open(kept) && !is_open(file) && !is_open(other) && access(path, F_OK) < 0);
	listeners_close(&next, NULL);
	check(!is_open(kept));
}

/* What cannot be opened: not so bad at the start, an error when it is new, none when it was so before. */
static void test_failures(void **state)
{
	struct why why;
	struct listeners l, next, third;

	(void)state;
	struct conf_server servers[] = {inet(1, 0), inet(0, taken)};
	struct conf none = {.servers = &servers[1], .nservers = 1}, one = {.servers = servers, .nservers = 1},
		    both = {.servers = servers, .nservers = 2};

	check(listeners_open(&l, &none, NULL, &why) != OK);
	check(listeners_open(&l, &one, NULL, &why) == OK);
	int kept = l.fd[0];

	check(listeners_open(&next, &both, &l, &why) != OK && is_open(kept) && l.fd[0] == kept);
	listeners_close(&l, NULL);
	check(listeners_open(&next, &both, NULL, &why) == OK && next.open == 1 && next.fd[1] == -1);
	check(listeners_open(&third, &both, &next, &why) == OK && third.open == 1);
	listeners_close(&next, &third);
	check(is_open(third.fd[0]));
	listeners_close(&third, NULL);
}

/* Two servers of one address: the second one has none of it, nor takes it at a reload. */
static void test_twice(void **state)
{
	struct why why;
	struct listeners l, next;

	(void)state;
	struct conf_server first[] = {inet(4, 0)};
	struct conf cf = {.servers = first, .nservers = 1};

	check(listeners_open(&l, &cf, NULL, &why) == OK);
	uint16_t port = port_of(l.fd[0]);

	listeners_close(&l, NULL);
	struct conf_server twice[] = {inet(4, port), inet(4, port)};
	struct conf cf2 = {.servers = twice, .nservers = 2};

	check(listeners_open(&l, &cf2, NULL, &why) == OK && l.open == 1);
	check(listeners_open(&next, &cf2, &l, &why) == OK && next.open == 1 && next.fd[0] == l.fd[0]);
	listeners_close(&l, &next);
	listeners_close(&next, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
