/* ipc/catalogue.h - the messages between the processes: who may send what to whom
 *
 * Every message is a row of msg_rule[]: sender, receiver, a payload of fixed size, how much bulk may follow
 * it and how many descriptors come along. chan_dispatch checks all of it before a handler sees it;
 * what the fields mean the handler checks, since the sender may have been taken over.
 *
 * A warm login is three messages: LOGIN, GRANT, SCAN; where state is asked, RESERVE, RESERVED and SETTLE besides. Sessions are named by an
 * id that is never used again, of which sid_front says whose it is; who is asking is known from the channel. */
#pragma once
#include <stdint.h>

#include "base/address.h"
#include "base/filestamp.h"
#include "base/why.h"

enum role {
	ROLE_MASTER,
	ROLE_FRONT,
	ROLE_AUTH,
	ROLE_HASH,
	ROLE_RELAY,
	ROLE_LOCKER,
	ROLE_ACCESS,
	ROLE_STATE,
	ROLE_BACKEND,
	ROLE_OPENER,
	ROLE_STORE,
	ROLE_COUNT
};

/* "front", ... */
const char *role_name(enum role role);

enum msg_type {
	/* master to all: the processes' set-up */
	MSG_PEER,     /* a channel to another process; its descriptor comes along */
	MSG_FORGET,   /* give this store worker no more grants, and close the channel to it */
	MSG_LOG,      /* a fresh descriptor for the log */
	MSG_READY,    /* to master: set up, confined, serving */
	MSG_LOG_LOST, /* to master: the log's receiver is gone */
	MSG_IDLE,     /* store to master: no session for a while, may I go? Master to store: go when you have none */
	MSG_LEAVE, /* master to front (and to the master of these fronts): no more clients, and end when the last has gone */
	MSG_LEFT,   /* the answer: no client comes in any more */
	MSG_COUNTS, /* keeper to master, and master to an auth worker: write what you have counted into the log */
	MSG_WANTED, /* front to master, in inetd mode: its client logs in, an auth process is needed now */
	MSG_FAILED, /* a master to the one above it: what it started cannot serve, and why */
	/* an access list */
	MSG_ASK,      /* front to access: run the program of this entry */
	MSG_WITHDRAW, /* front to access: the client has gone, no answer is waited for; end its program */
	MSG_VERDICT,  /* access to front: the client may come in, or not */
	/* a login */
	MSG_LOGIN,          /* front to auth: a user name and a password, or a digest */
	MSG_SASL_START,     /* front to auth: AUTH, and what the client has said with it */
	MSG_SASL_STEP,      /* front to auth: what the client has said to a challenge, or that nothing comes any more */
	MSG_SASL_CHALLENGE, /* auth to front: the client is to answer this */
	MSG_SASL_NAMED,     /* auth to front: who the client says it is; for log lines. The end is that of a login */
	MSG_SECRETS_WANTED, /* auth to master: read the database of APOP */
	MSG_SECRETS,        /* the answer: the table (ipc/secrets.h) comes along */
	MSG_HASH,           /* auth to hash: does this password have that hash? */
	MSG_HASHED,         /* the answer */
	MSG_LOOK,           /* auth to backend: who is this user, or is this his password? */
	MSG_LOOKED,         /* the answer */
	MSG_STUCK,          /* auth to master: this backend does not come to an answer, and not to its end either */
	MSG_GRANT, /* auth to store, or to master for an owner without a (free) worker, who starts one and passes it on */
	MSG_DENY, /* auth, master or store to front: no session, and why */
	MSG_SCAN, /* store to front: the maildrop is open; its scan listing */
	/* what is kept of a user from one login to the next */
	MSG_RESERVE,  /* auth to state: the password was right; may the user log in now, and what did he get last? */
	MSG_RESERVED, /* the answer */
	MSG_SETTLE,   /* auth, store or master to state: what became of it; not answered */
	MSG_ADVANCE,  /* store to state: the number of the last bulletin that the user got; not answered */
	/* a session */
	MSG_FETCH,  /* front to store: messages, from this one on */
	MSG_BODY,   /* whole stored messages as bulk, or one as a descriptor */
	MSG_READ,   /* front to store: octets that front could not read without waiting */
	MSG_BYTES,  /* the octets */
	MSG_COMMIT, /* front to store: QUIT with these changes */
	MSG_DONE,   /* they are durable, or not */
	MSG_CLOSE,  /* front to store: the session ended, delete nothing; not answered */
	/* a session that does nothing, and gives up its store worker (master/parked.h) */
	MSG_PARK,   /* store to master: keep this session. Master to store: go on with it */
	MSG_PARKED, /* master to front: that store worker has asked for it */
	MSG_REST,   /* the answer, front to store: forget it, or it stays with you */
	MSG_WAKE,   /* front to master: what is to become of it */
	MSG_AWAKE,  /* store to front: the session is here from now on */
	/* a session that begins without a store worker (master/opener.h) */
	MSG_OPEN,   /* master to opener: look at this mailbox */
	MSG_OPENED, /* what there is, or that a store worker is needed */
	MSG_BEGIN,  /* master to front: can this session begin with what the opener has found? */
	MSG_BEGUN,  /* the answer */
	/* a mailbox in the spool */
	MSG_SPOOL,   /* store to locker: do this beside this mailbox; store waits for the answer */
	MSG_SPOOLED, /* it is done, or not; perhaps the descriptor of a new file */
	/* a mailbox with `locking { type external; }' */
	MSG_LOCK,   /* store to master: have the external locker lock this mailbox, or let it go */
	MSG_LOCKED, /* it is locked, or not */
	MSG_COUNT
};

enum {
	MSG_BULK_MOST = 128 * 1024, /* octets behind a payload */
	MSG_FDS_MOST = 2,
	NAME_MOST = 255,  /* octets of a user name, a host name */
	STAMP_MOST = 128, /* octets of a time stamp of APOP */
	/* octets of the name under which state keeps a user: a login, perhaps with a domain behind it */
	KEY_MOST = 320,
	SOURCE_MOST = 16,               /* octets of a module's name, and what fills it up */
	URL_MOST = 4095,                /* octets of a mailbox URL or a path */
	SASL_RESPONSE_MOST = 96 * 1024, /* octets that a client may say at a time within AUTH, decoded */
	SASL_CHALLENGE_MOST = 450,      /* and auth: one line of a reply, encoded */
	TOKEN_MOST = 16 * 1024,         /* octets of a token of OAuth */
	BINDING_MOST = 64,              /* octets that name a TLS connection */
};

/* The serial of the front that gave a session this id; what is below is its own number (front/sids.h). */
static inline uint32_t sid_front(uint64_t sid)
{
	return (uint32_t)(sid >> 32);
}

struct msg_peer {
	uint32_t role;     /* enum role of the peer */
	uint32_t serial;   /* of the peer: never used again */
	uint32_t slot;     /* of the peer: its place in shared pages, used again after its end */
	uint32_t uid, gid; /* of a store worker: whose mail it serves */
	uint32_t module;   /* of a backend: its place among those of the configuration (conf/backends.h) */
};

/* A backend, by its serial. */
struct msg_stuck {
	uint32_t serial;
};

struct msg_forget {
	uint32_t serial;
};

/* Who may stay until he goes by himself. */
enum leave {
	LEAVE_CLIENTS,  /* all that there are */
	LEAVE_SESSIONS, /* who is logged in; the others are ended */
	LEAVE_COMMITS,  /* whose deletions are being made durable */
	LEAVE_COUNT
};

struct msg_leave {
	uint32_t stay; /* enum leave */
};

/* Which entry, for whom. `exec' decides nothing and is not answered. */
struct msg_ask {
	uint64_t job;    /* front's own number, never used again */
	uint64_t log_id; /* of the client's connection, for log lines */
	uint32_t server; /* in the configuration; ACL_GLOBAL (conf/acl.h): the global list; ACL_TABLES */
	uint32_t rule;   /* from 0 on: the place of the entry in that list */
	struct address client;
	struct address here; /* our end of the connection, for TCP wrappers */
};

struct msg_withdraw {
	uint64_t job;
};

/* Bulk: for the log, why the client is denied. */
struct msg_verdict {
	uint64_t job;
	uint32_t allowed; /* 1: the program ended with 0 */
	uint32_t pad;
};

struct msg_login {
	uint64_t sid;
	uint64_t log_id; /* of the client's connection, for log lines: any number */
	struct address client, local;
	uint32_t failures; /* of this connection so far */
	/* octets of bulk, in this order. With a time stamp, the password is a digest of APOP (RFC 1939, section 7) */
	uint16_t user_len, password_len, stamp_len, pad;
	uint32_t pad2;
};

/* What front knows of the client's connection; auth cannot look at it. */
enum sasl_trait {
	SASL_HAS_RESPONSE = 1, /* the command came with an initial response, perhaps an empty one */
	SASL_TLS = 2,
	SASL_BINDS_EXPORTER = 4, /* the binding is tls-exporter (RFC 9266); else tls-unique (RFC 5929) */
};

struct msg_sasl_start {
	uint64_t sid;
	uint64_t log_id;
	struct address client, local;
	uint32_t failures;
	uint32_t mechanism; /* enum mechanism of ipc/mechanisms.h */
	uint32_t traits;    /* a set of enum sasl_trait */
	/* octets of bulk, in this order: the channel binding, or nothing; the user that the client's certificate names, or nothing; the response */
	uint32_t response_len;
	uint16_t binding_len, certified_len;
	uint32_t pad;
};

/* Bulk: the client's response. */
struct msg_sasl_step {
	uint64_t sid;
	uint32_t over; /* 1: no response comes, the exchange is forgotten; not answered */
	uint32_t pad;
};

/* Bulk: the challenge, perhaps an empty one. */
struct msg_sasl_challenge {
	uint64_t sid;
};

/* Bulk: the name. Where a login may follow at once, auth waits for a step without octets first: else the maildrop, which comes from store, might be
 * there before the name. */
struct msg_sasl_named {
	uint64_t sid;
	uint32_t asks; /* 1: for that step */
	uint32_t pad;
};

/* With a descriptor where err is OK. */
struct msg_secrets {
	uint32_t err; /* enum err */
};

struct msg_hash {
	uint64_t job;                       /* auth's own number */
	uint16_t setting_len, password_len; /* octets of bulk, in this order */
	uint32_t pad;
};

struct msg_hashed {
	uint64_t job;
	uint32_t same; /* 1: the password has that hash */
	uint32_t pad;
};

enum look_what { LOOK_RECORD, LOOK_UID, LOOK_PASSWORD, LOOK_TOKEN, LOOK_WHATS };

/* Bulk: login, name, password; the latter two for LOOK_PASSWORD. LOOK_TOKEN: the password is a token, the login its user or nothing. */
struct msg_look {
	uint64_t job;         /* auth's own number */
	uint64_t log_id;      /* of the client's connection, for log lines */
	uint64_t deadline_ms; /* of clock_ms() */
	struct address client;
	uint32_t what; /* enum look_what */
	uint16_t login_len, name_len, password_len;
	uint16_t wants_secret; /* 1: the record's `secret', too */
};

/* Texts of an answer. */
enum looked_text {
	LOOKED_NAME,
	LOOKED_HASH,
	LOOKED_SECRET,
	LOOKED_GECOS,
	LOOKED_HOME,
	LOOKED_SHELL,
	LOOKED_MAILBOX,
	LOOKED_QUOTA,
	LOOKED_REFUSAL,
	LOOKED_PLACE,
	LOOKED_WHY, /* the sentence, where err is not OK */
	LOOKED_TEXTS
};
enum { LOOKED_BULK = 16 * 1024 };

/* Bulk: the texts, one behind the other. */
struct msg_looked {
	uint64_t job;
	uint32_t err; /* enum err */
	uint32_t uid, gid;
	uint16_t asks_source; /* 1: the password is the module's to check */
	uint16_t len[LOOKED_TEXTS];
	uint32_t pad;
};

/* Bulletins have numbers from 1 on. */
#define BULLETIN_NONE UINT64_MAX          /* nothing is known of a user: he got none yet */
#define BULLETIN_UNKNOWN (UINT64_MAX - 1) /* there is no data base of them that can be used, or nobody asked */

/* Bulk: the user's name as the back end knows it, mailbox URL, home directory. */
struct msg_grant {
	uint64_t sid;
	uint64_t log_id;        /* as in the login */
	uint64_t reservation;   /* store settles it; 0: there is none */
	uint64_t bulletin;      /* as state has answered */
	uint32_t uid, gid;      /* the owner: store refuses what is not its own */
	uint32_t login_delay_s; /* this user's; 0: none. Front shows it */
	uint16_t name_len, mailbox_len, home_len, pad[3];
	char source[SOURCE_MOST]; /* the module that made the record; filled up with NUL */
};

/* Bulk: for the log, the reason where the sender knows more than err says. Store sends it to master where it has lost its channel
 * to the front, and master passes it on. */
struct msg_deny {
	uint64_t sid;
	uint32_t err; /* enum err */
	uint32_t pad;
};

/* Bulk: the user's name as the back end knows it, then `count` records (mail/listing.h) where the listing is small; else one descriptor, in which they are at
 * records_at and in blocks; neither where the file may not be handed over (ipc/handover.h): front asks with MSG_READ. */
struct msg_scan {
	uint64_t sid;
	uint64_t octets; /* of all messages together, on the wire */
	/* seconds since 1970: from then on, QUIT is to be followed by a commit, though nothing was deleted */
	uint64_t due;
	uint64_t records_at; /* as in struct listing_place */
	uint32_t block, block_octets;
	uint32_t count;
	uint32_t rules;         /* enum wire_rule bits of mail/wire.h: how stored octets become wire octets */
	uint32_t login_delay_s; /* as in the grant */
	/* for the log alone */
	uint32_t uid; /* of the owner */
	uint16_t name_len, pad;
	uint32_t pad2;
	char source[SOURCE_MOST]; /* as in the grant */
};

enum reserve_want {
	RESERVE_DELAY = 1,    /* not sooner than so long after the last login; this one is recorded */
	RESERVE_BULLETIN = 2, /* the number of the last bulletin */
};

/* Bulk: the name under which the user is kept, and one under which something older may stand (virtual users without their
 * domain), or nothing. */
struct msg_reserve {
	uint64_t sid;
	uint64_t log_id;
	uint32_t wants;   /* a set of enum reserve_want */
	uint32_t delay_s; /* for RESERVE_DELAY */
	uint16_t key_len, old_len;
	uint32_t pad;
};

struct msg_reserved {
	uint64_t sid;
	/* to be settled by whoever the login has come to; 0: nothing was reserved. Nobody can guess it */
	uint64_t reservation;
	uint64_t bulletin; /* a number, or BULLETIN_... */
	uint32_t err;      /* OK, or ERR_DELAY: too soon. Trouble with a data base is OK: the service goes on */
	uint32_t pad;
};

enum settle_how {
	SETTLE_CONFIRM, /* the maildrop is open: it counts */
	SETTLE_RELEASE, /* no session came of it: it never was */
	SETTLE_DOUBT,   /* whoever had it has ended: the same, unless it is confirmed within a second */
	SETTLE_WAYS
};

struct msg_settle {
	uint64_t reservation;
	uint32_t how; /* enum settle_how */
	uint32_t pad;
};

/* Before it is settled. */
struct msg_advance {
	uint64_t reservation;
	uint64_t number;
};

struct msg_fetch {
	uint64_t sid;
	uint32_t msgno;   /* this one in any case */
	uint32_t octets;  /* and those behind it as far as they fit into so many stored octets; 0: no more */
	uint32_t taken;   /* of those that came behind the message that was fetched before, so many were retrieved */
	uint32_t preview; /* 1: a TOP of less than the whole body; so with those behind it that will be taken */
	uint32_t walks;   /* 1: rather the file that holds them all, if there is one */
	uint32_t pad;
};

/* Either bulk: `count` whole messages one after the other, or one descriptor of a regular file that
 * holds message `msgno` from offset `at` on, for `raw` octets of the record, and, where that was asked for, all of `count` messages, each where
 * its record says; or neither where that file may not be handed over (ipc/handover.h): front asks with MSG_READ. err: nothing else is valid. */
struct msg_body {
	uint64_t sid;
	uint64_t at;
	uint32_t msgno, count;
	uint32_t err;
	uint32_t pad;
};

enum msg_source { SOURCE_LISTING, SOURCE_MESSAGE };

struct msg_read {
	uint64_t sid;
	uint64_t at;     /* octets from the start of the message, or of the listing's records */
	uint32_t source; /* enum msg_source */
	uint32_t msgno;  /* for SOURCE_MESSAGE */
	uint32_t octets; /* at most MSG_BULK_MOST */
	uint32_t pad;
};

/* Bulk: what was asked for, in full. */
struct msg_bytes {
	uint64_t sid;
	uint64_t at;
	uint32_t err;
	uint32_t pad;
};

/* Bulk, or a sealed memfd when it would be longer than MSG_BULK_MOST: a bit per message, message 1 is
 * bit 0 of octet 0; (count + 7) / 8 octets. */
struct msg_commit {
	uint64_t sid;
	uint32_t count;   /* messages of the maildrop, as a check */
	uint32_t deleted; /* bits that are set, as a check */
	uint32_t taken;   /* as in msg_fetch */
	uint32_t pad;
};

struct msg_done {
	uint64_t sid;
	uint32_t err;     /* OK: all that the commit names are gone, durably */
	uint32_t deleted; /* of them */
};

struct msg_close {
	uint64_t sid;
	uint32_t taken; /* as in msg_fetch */
	uint32_t pad;
};

/* Bulk: the user's name, the mailbox URL. One descriptor: the open file that has the session lock. */
struct msg_park {
	uint64_t sid;
	uint64_t log_id;
	uint64_t key;            /* of the maildrop, and so of its session lock */
	uint64_t octets, sum;    /* of the scan listing: of its messages, of their checksums ... */
	uint32_t count;          /* ... and messages */
	uint32_t requests;       /* that store has had from front for this session */
	uint32_t fetched, ahead; /* msgno that was fetched last, and how many were sent behind it; */
	uint32_t preview;        /* 1: as in the fetch */
	uint32_t marks;          /* 1: it matters which of them were retrieved */
	uint32_t over;           /* from master: the session has ended ... */
	uint32_t taken;          /* ... and so many of those were retrieved */
	uint16_t name_len, mailbox_len, pad;
	uint16_t pad2;
};

struct msg_parked {
	uint64_t sid;
	uint32_t worker;   /* serial of the store worker */
	uint32_t requests; /* as in msg_park: if front has sent more, the session is not idle */
	uint32_t kept;     /* 1: master has it; 0: it cannot */
	uint32_t pad;
};

struct msg_rest {
	uint64_t sid;
	uint32_t rests; /* 1: master has the session; 0: it stays where it is */
	uint32_t pad;
};

enum wake_how {
	WAKE_WANTED, /* a store worker is to go on with it */
	WAKE_STAYS,  /* the one that it was with does: forget it */
	WAKE_OVER,   /* it has ended, nothing is to be deleted */
	WAKE_WAYS
};

struct msg_wake {
	uint64_t sid;
	uint32_t how;   /* enum wake_how */
	uint32_t taken; /* WAKE_OVER: as in msg_fetch */
};

struct msg_awake {
	uint64_t sid;
};

/* Bulk: the mailbox URL. One descriptor: the owner's file of session locks, opened for this session. */
struct msg_open {
	uint64_t job;      /* master's own number */
	uint64_t log_id;   /* as in the grant */
	uint64_t until_ms; /* of clock_ms(): so long master waits for the answer */
	uint32_t uid, gid;
};

enum mail_kind {
	MAIL_STAMPED, /* both stamps are of the mail */
	MAIL_SAMPLED, /* the first one is; what `dev' of the second would be is not known (store/onefile.h) */
	MAIL_NONE,    /* there is no file: no message, and no index */
	MAIL_KINDS
};

/* A maildrop as it looks from outside, under its session lock. */
struct mail_look {
	struct stamp stamp[2]; /* as in the head of its index (mail/index_head.h) */
	char driver[16];       /* the format that it has, if its index says so, too; filled up with NUL */
	uint32_t rules;        /* enum wire_rule of that */
	uint32_t kind;         /* enum mail_kind */
};

/* Bulk, where it fits: the path. Then, where there is mail, and only then, one descriptor: what may be its index, a regular file that may be handed
 * over (ipc/handover.h). */
struct msg_opened {
	uint64_t job;
	uint64_t key; /* of the session lock, which is taken */
	struct mail_look look;
	uint32_t fits; /* 0: nothing is locked, and nothing else is valid */
	uint32_t pad;
};

/* Bulk: the user's name, the path. One descriptor, where there is mail: the index. */
struct msg_begin {
	uint64_t sid;
	struct mail_look look;
	/* as in msg_scan */
	uint32_t login_delay_s, uid;
	uint16_t name_len, path_len;
	uint32_t pad;
	char source[SOURCE_MOST];
};

enum begun_how {
	BEGUN_TAKEN, /* it has: it is as one that is kept */
	BEGUN_NOT,   /* a store worker is to look */
	BEGUN_OVER,  /* nobody waits for it any more */
	BEGUN_WAYS
};

struct msg_begun {
	uint64_t sid;
	uint64_t octets, sum; /* as in msg_park */
	uint32_t count;
	uint32_t how; /* enum begun_how */
};

/* What locker does beside the mailbox NAME; see store/spool.h. */
enum spool_op {
	SPOOL_LOCK,   /* makes NAME.lock, if it can be had at once */
	SPOOL_UNLOCK, /* removes it */
	SPOOL_KEEP,   /* it stays when store ends, and locker */
	SPOOL_NEW, /* makes .NAME.new like NAME, and hands its descriptor over. This and the following need the lock */
	SPOOL_REPLACE, /* puts it in the place of NAME */
	SPOOL_ABANDON, /* removes it */
	SPOOL_OPS
};
enum { SPOOL_NAME_MOST = 250 }; /* octets of NAME */

/* Bulk: NAME, the name of a file in the spool. */
struct msg_spool {
	uint64_t job;  /* store's own number */
	uint32_t op;   /* enum spool_op */
	uint32_t heir; /* SPOOL_LOCK: the number of a lock that a journal bequeaths; 0: of our master */
};

/* Bulk: the reason where err is none of OK. ERR_IN_USE: another program has the lock; ERR_PERM: it cannot be done. */
struct msg_spooled {
	uint64_t job;
	uint32_t err; /* enum err */
	uint32_t pad;
};

/* What becomes of the lock of a mailbox that the external locker makes; see master/external.h. */
enum lock_op {
	LOCK_OP_TAKE, /* answered when it is there, or cannot be had. Bulk: the path of the mailbox */
	LOCK_OP_RELEASE, /* this and the following are not answered: nobody wants what was asked for under this number any more */
	LOCK_OP_KEEP, /* it stays for whoever of this owner wants it next: the mailbox must be replayed before others see it */
	LOCK_OPS
};

struct msg_lock {
	uint64_t job; /* store's own number */
	uint32_t op;  /* enum lock_op */
	uint32_t pad;
};

/* Bulk: the reason where err is none of OK. ERR_IN_USE: another program has the lock. */
struct msg_locked {
	uint64_t job;
	uint32_t err; /* enum err */
	uint32_t pad;
};

/* A row of the catalogue. */
struct msg_rule {
	const char *name;
	uint16_t from, to; /* sets of 1 << enum role */
	uint8_t fds_least, fds_most;
	uint16_t payload;   /* octets, exactly */
	uint32_t bulk_most; /* octets */
	uint8_t secret;     /* the receive buffer is wiped behind the handler */
};
extern const struct msg_rule msg_rule[MSG_COUNT];
