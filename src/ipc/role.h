/* ipc/role.h - what a child process is given when it starts, and where each role begins
 *
 * Master forks, gives the child what stands here, takes everything else away (descriptors, privileges, file
 * system, system calls) and calls the role's main. From then on the child hears of its peers by MSG_PEER, says
 * MSG_READY when it serves, and ends when its channel to master does. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "ipc/places.h"

enum {
	FRONTS_MOST = 64,         /* fronts that are started together */
	SLOTS_MOST = 256,         /* of fronts, over all reloads */
	STORES_MOST = 4096,       /* slots of store workers */
	STORE_SLOT_OCTETS = 4096, /* a page each, so that a worker can be given its own alone */
};

/* How a store worker is doing: written by it alone, read by auth (where to send a grant) and master. */
struct store_slot {
	_Atomic uint64_t busy_since_ms; /* clock_ms; 0: waits for work */
	_Atomic uint64_t idle_since_ms; /* clock_ms; 0: it has a session */
	_Atomic uint32_t sessions;      /* that are open */
	char pad[STORE_SLOT_OCTETS - 20 - 4];
};

/* What state tells fronts: a page that it alone writes. */
struct state_page {
	_Atomic uint32_t delays; /* 1: logins are held to login-delay; 0: its data base cannot be used */
};

struct dbm_name;

struct role_env {
	const struct conf *conf;
	uint32_t serial; /* of this process: never used again */
	uint32_t slot;   /* its place in the shared pages of its role */
	int master_fd;   /* the channel to master */

	/* front */
	const int *listeners;          /* bound and listening, one per conf->servers entry; -1: could not be opened */
	const int *certs;              /* ipc/certificate.h: one per conf->servers entry; -1: no TLS */
	const struct tickets *tickets; /* ipc/tickets.h, for reading */
	struct places_seat places;     /* counts of clients, of all fronts */
	int client; /* inetd mode: the socket of the one client (the relay has the other end); -1: they come to the listeners */
	const char *apop_host; /* of time stamps in greetings; NULL: no APOP */
	int wake[SLOTS_MOST];  /* eventfds, one per slot of a front: a place has become free; -1: no such slot */

	/* store */
	uid_t uid;
	gid_t gid;
	struct store_slot *slot_page; /* its own, for writing */
	int session_fd;               /* this owner's file of session locks, opened for this process */
	/* of this owner, for maildrops where no index can be beside the mail; NULL: there is none */
	const char *index_dir;
	const char *journal_dir; /* of this owner, for journals of what is changed in place; NULL: there is none */
	const char *uidl_dir;    /* of this owner, for durable files of unique-ids; NULL: there is none */

	const char *spool; /* the directory in which locker makes files for us; NULL: there is no locker */

	/* state */
	const struct dbm_name *stat_file;   /* NULL: it cannot be used, or nothing is configured that needs it */
	const struct dbm_name *bulletin_db; /* the same */
	int state_lock;     /* a file that processes of other configurations lock, too; opened for this process */
	void *reservations; /* memory that outlives this process */

	/* A pipe, that outlives both, of 8 octets for each reservation that a store confirms: its number. Nobody waits at it. */
	int confirmed; /* state: for reading; store: for writing; neither blocks. -1: there is no state process */

	struct state_page *state_page; /* state, and fronts for reading; NULL: there is no state process */

	/* auth */
	const char *apop_path;          /* whose changes are looked for: the database of APOP; NULL: there is none */
	const struct store_slot *slots; /* of all store workers, for reading */
	void *cache;                    /* shared by the auth workers alone */
	size_t cache_octets;
	void *penalties; /* shared by the auth workers of all configurations, auth_penalties_octets(); NULL: there is none */
	unsigned hashers; /* how many hash processes there are */
	int kerberos_fd;  /* the libraries of Kerberos read their configuration from it; -1: they are not used */
	void *pools;      /* of the auth workers: how the back ends are doing; NULL: there are none */

	const char *module; /* backend: the configuration's name of what it does */

	const char *caches, *journals; /* opener: the directories above those of owners; NULL: there is none */
};

/* Each returns the exit status of the process. */
int front_main(const struct role_env *env);
int auth_main(const struct role_env *env);
int hash_main(const struct role_env *env);
int relay_main(const struct role_env *env);
int access_main(const struct role_env *env);
int state_main(const struct role_env *env);
int backend_main(const struct role_env *env);
int store_main(const struct role_env *env);
int opener_main(const struct role_env *env);
int locker_main(const struct role_env *env); /* its working directory is the spool */

/* Octets of shared memory that the auth workers want for their cache. */
size_t auth_cache_octets(const struct conf *cf);

size_t auth_pools_octets(const struct conf *cf);

/* Whether `gsasl { keytab }' can be used; looked at as whoever calls it. */
enum err auth_keytab_check(const struct conf *cf, struct why *why);

/* In the auth process, before it is confined: what GSSAPI needs from outside of the walls is loaded. Sets kerberos_fd, and the environment. */
enum err auth_kerberos_load(struct role_env *env, struct why *why);

/* And for wrong passwords, under this name. */
#define PENALTIES_NAME "pop3d penalties"
size_t auth_penalties_octets(void);

/* And state for what must outlive it. */
size_t state_octets(void);
