/* conf/conf.h - the configuration as the program uses it
 *
 * Filled by conf_load from files and --set through the table in statements.c; read-only from then on. All of it, strings
 * included, lives in one arena: conf_free ends it. An unset string is NULL. Values that depend on others (a server's
 * port and timeout) are resolved after everything was read, so that the order of statements does not matter. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/why.h"

enum run_mode { MODE_INETD, MODE_DAEMON };
enum tls_mode { TLS_UNSET, TLS_NO, TLS_ONDEMAND, TLS_REQUIRED, TLS_CONNECTION };
enum plaintext_login { PLAINTEXT_YES, PLAINTEXT_TLS, PLAINTEXT_NO };

/* Strings in the order they were given. */
struct conf_list {
	const char **item;
	size_t n;
};

struct conf_server {
	const char *label;            /* as written */
	struct sockaddr_storage addr; /* resolved; AF_INET, AF_INET6 (V6ONLY), AF_UNIX */
	socklen_t addr_len;
	uint32_t backlog; /* connections that may wait for a place; default 512 */
	struct seconds timeout;
	bool single_process, transcript;
	enum tls_mode tls_mode;
	const char *file; /* where the block stands */
	unsigned line;
};

struct conf_auth {
	struct conf_list authorization, authentication; /* module names, defaults filled in */
	uint32_t min_uid;
	enum plaintext_login plaintext_login;
	struct {
		struct seconds ttl, negative_ttl;
		uint32_t size; /* entries */
	} cache;
	struct seconds failure_delay;
};

struct conf_mailbox {
	const char *pattern;      /* URL with ${user}: mailbox-pattern, or made of mail-spool, whichever came last */
	const char *mailbox_type; /* scheme for what does not exist yet: "mbox" */
	const char *folder;
	const char *index; /* "auto", "off" or a directory */
	const char *uidl_format;
	bool update_flags, session_takeover;
	struct seconds session_lock_wait;
};

struct conf {
	enum run_mode mode;
	bool foreground, transcript, undelete, delete_expired, scan_lines, single_process;
	uint32_t expire_days;  /* UINT32_MAX: never */
	uint32_t max_children; /* UINT32_MAX: not set; 0: no limit */
	const char *pidfile;
	struct seconds timeout, login_timeout, client_wait, shutdown_timeout, login_delay;
	uint32_t line_limit, sasl_line_limit, max_per_address, output_buffer_size;
	const char *front_user, *auth_user;
	struct conf_server *servers;
	size_t nservers; /* at least one in daemon mode: the wildcard addresses when none is given */
	struct conf_auth auth;
	struct conf_mailbox mailbox;
	const char *virtdomain_dir;
	struct {
		bool syslog, print_severity, session_id;
		int severity, facility; /* of syslog.h */
		const char *tag;
	} logging;
	struct arena *arena;
	void *priv; /* of src/conf: the parsed tree, notices */
};
