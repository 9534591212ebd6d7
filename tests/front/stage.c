/* tests/front/stage.c - see stage.h */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "mail/listing.h"
#include "mail/wire.h"

struct stage stage;

enum { RECORDS_AT = 4096 };

static struct slice stored(uint32_t msgno)
{
	return slice_str(stage.message[msgno - 1]);
}

static struct listing_rec record(uint32_t msgno)
{
	struct listing_rec r = {.raw = stored(msgno).n, .crc = listing_crc(0, stored(msgno)) ^ stage.wrong_crc};
	struct wire w;

	wire_init(&w, 0, WIRE_ALL_LINES);
	wire_count(&w, stored(msgno));
	wire_count_end(&w);
	r.pos = (uint64_t)msgno * STAGE_STRIDE;
	r.octets = w.octets;
	r.lines = (uint32_t)w.lines;
	r.uidl_len = (uint8_t)snprintf(r.uidl, sizeof r.uidl, "uid-%u", msgno);
	if (stage.broken)
		r.uidl[0] = ' ';
	return r;
}

static void put(int fd, const void *p, size_t n)
{
	check(write(fd, p, n) == (ssize_t)n);
}

static int new_file(void)
{
	int fd = memfd_create("stage", MFD_ALLOW_SEALING);

	check(fd >= 0);
	return fd;
}

static void seal(int fd)
{
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
}

static void send_listing(uint64_t sid)
{
	static struct listing_rec all[STAGE_MESSAGES];
	struct msg_scan scan = {.sid = sid, .count = stage.messages, .due = UINT64_MAX};
	struct chan_out out = {.payload = &scan};

	for (uint32_t i = 0; i < stage.messages; i++) {
		all[i] = record(i + 1);
		scan.octets += all[i].octets;
	}
	struct slice records = {(const char *)all, stage.messages * sizeof *all};

	if (stage.how == HOW_BULK) {
		out.bulk[0] = records;
	} else if (stage.how == HOW_SEALED) {
		scan.records_at = RECORDS_AT;
		scan.block = STAGE_MESSAGES;
		scan.block_octets = sizeof all;
		out.fds[0] = new_file();
		out.nfds = 1;
		check(lseek(out.fds[0], RECORDS_AT, SEEK_SET) == RECORDS_AT);
		put(out.fds[0], records.p, records.n);
		seal(out.fds[0]);
	}
	check(chan_send(&stage.store, MSG_SCAN, &out));
	if (out.nfds > 0)
		close(out.fds[0]);
}

static enum err on_login(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_login *login = m->payload;
	struct slice user = {m->bulk.p, login->user_len};
	struct slice password = {m->bulk.p + login->user_len, login->password_len};
	struct msg_deny deny = {.sid = login->sid, .err = stage.deny};

	(void)why;
	stage.logins++;
	stage.login = *login;
	stage.sid = login->sid;
	check(slice_cstr(user, stage.user, sizeof stage.user));
	snprintf(stage.password, sizeof stage.password, "%.*s", (int)password.n, password.p);
	if (deny.err == OK && !(slice_eq(user, SLICE("bob@example.test")) && slice_eq(password, SLICE("good"))))
		deny.err = ERR_AUTH;
	if (stage.mute)
		return OK;
	if (deny.err != OK)
		check(chan_send(c, MSG_DENY, &(struct chan_out){.payload = &deny}));
	else
		send_listing(login->sid);
	return OK;
}

static void send_bodies(const struct msg_fetch *fetch, struct msg_body *body)
{
	static char bulk[MSG_BULK_MOST];
	struct buf b = BUF(bulk);
	uint64_t budget = fetch->octets;

	for (uint32_t msgno = fetch->msgno; msgno <= stage.messages; msgno++, body->count++) {
		if (body->count > 0 && stored(msgno).n > budget)
			break;
		buf_put(&b, stored(msgno));
		budget -= body->count > 0 ? stored(msgno).n : 0;
	}
	check(!b.full);
	check(chan_send(&stage.store, MSG_BODY,
			&(struct chan_out){.payload = body, .bulk = {{b.p, b.len - stage.short_body}}}));
}

/* This message and those behind it, each where its record says. */
static void send_file(const struct msg_fetch *fetch, struct msg_body *body)
{
	struct chan_out out = {.payload = body, .fds = {new_file()}, .nfds = 1};
	uint32_t left = stage.messages - fetch->msgno + 1;

	body->at = record(fetch->msgno).pos;
	body->count = left < stage.walk ? left : stage.walk;
	for (uint32_t msgno = fetch->msgno; msgno < fetch->msgno + body->count; msgno++) {
		check(stored(msgno).n < STAGE_STRIDE);
		check(pwrite(out.fds[0], stored(msgno).p, stored(msgno).n, (off_t)record(msgno).pos) ==
		      (ssize_t)stored(msgno).n);
		check(msgno != stage.changed || pwrite(out.fds[0], "?", 1, (off_t)record(msgno).pos) == 1);
	}
	body->count += stage.walk_lies;
	seal(out.fds[0]);
	check(chan_send(&stage.store, MSG_BODY, &out));
	close(out.fds[0]);
}

static enum err on_fetch(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_fetch *fetch = m->payload;
	struct msg_body body = {.sid = fetch->sid, .msgno = fetch->msgno, .err = stage.body_err};
	struct chan_out out = {.payload = &body, .nfds = 1};

	(void)why;
	stage.fetches++;
	stage.taken += fetch->taken;
	if (stage.body_err != OK) {
		out.nfds = 0;
		check(chan_send(c, MSG_BODY, &out));
	} else if (fetch->walks && stage.walk > 0) {
		send_file(fetch, &body);
	} else if (stage.how == HOW_BULK || stage.walk > 0) {
		send_bodies(fetch, &body);
	} else if (stage.how == HOW_ASKED) {
		body.count = 1;
		out.nfds = 0;
		check(chan_send(c, MSG_BODY, &out));
	} else {
		body.count = 1;
		body.at = 7;
		out.fds[0] = new_file();
		put(out.fds[0], "before ", 7);
		put(out.fds[0], stored(fetch->msgno).p, stored(fetch->msgno).n - stage.short_body);
		seal(out.fds[0]);
		check(chan_send(c, MSG_BODY, &out));
		close(out.fds[0]);
	}
	return OK;
}

static enum err on_read(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_read *read = m->payload;
	struct msg_bytes bytes = {.sid = read->sid, .at = read->at};
	struct listing_rec records[64];
	struct chan_out out = {.payload = &bytes};

	(void)why;
	stage.reads++;
	if (read->source == SOURCE_MESSAGE) {
		out.bulk[0] = (struct slice){stored(read->msgno).p + read->at, read->octets};
		check(read->at + read->octets <= stored(read->msgno).n);
	} else {
		uint32_t first = (uint32_t)(read->at / sizeof *records), n = read->octets / sizeof *records;

		check(n <= 64 && first + n <= stage.messages && read->octets % sizeof *records == 0);
		for (uint32_t i = 0; i < n; i++)
			records[i] = record(first + i + 1);
		out.bulk[0] = (struct slice){(const char *)records, read->octets};
	}
	check(chan_send(c, MSG_BYTES, &out));
	return OK;
}

static enum err on_commit(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_commit *commit = m->payload;
	struct msg_done done = {.sid = commit->sid, .err = stage.done_err, .deleted = commit->deleted};

	(void)why;
	stage.commits++;
	stage.deleted = commit->deleted;
	check(commit->count == stage.messages && m->bulk.n == (stage.messages + 7) / 8);
	memcpy(stage.bits, m->bulk.p, m->bulk.n);
	check(chan_send(c, MSG_DONE, &(struct chan_out){.payload = &done}));
	return OK;
}

static enum err on_close(struct chan *c, struct msg *m, struct why *why)
{
	(void)c;
	(void)why;
	stage.taken += ((const struct msg_close *)m->payload)->taken;
	stage.closes++;
	return OK;
}

static void on_lost(struct chan *c, const char *reason)
{
	(void)reason;
	chan_done(c);
}

/* AUTH: a challenge of one octet, until the client says "good". */
static enum err on_sasl(struct chan *c, uint64_t sid, struct slice response)
{
	struct msg_sasl_challenge challenge = {.sid = sid};
	struct msg_sasl_named named = {.sid = sid};
	bool good = slice_eq(response, SLICE("good"));

	stage.sid = sid;
	snprintf(stage.password, sizeof stage.password, "%.*s", (int)response.n, response.p);
	if (stage.mute)
		return OK;
	check(!good ||
	      chan_send(c, MSG_SASL_NAMED, &(struct chan_out){.payload = &named, .bulk = {SLICE("bob@example.test")}}));
	if (good)
		send_listing(sid);
	else
		check(chan_send(c, MSG_SASL_CHALLENGE,
				&(struct chan_out){.payload = &challenge, .bulk = {SLICE("x")}}));
	return OK;
}

static enum err on_sasl_start(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_sasl_start *start = m->payload;

	(void)why;
	stage.starts++;
	stage.start = *start;
	return on_sasl(c, start->sid,
		       (struct slice){m->bulk.p + start->binding_len + start->certified_len, start->response_len});
}

static enum err on_sasl_step(struct chan *c, struct msg *m, struct why *why)
{
	const struct msg_sasl_step *step = m->payload;

	(void)why;
	check(step->sid == stage.sid);
	stage.steps += step->over == 0;
	stage.overs += step->over != 0;
	return step->over ? OK : on_sasl(c, step->sid, m->bulk);
}

static const struct chan_ops auth_ops = {
	.on = {[MSG_LOGIN] = on_login, [MSG_SASL_START] = on_sasl_start, [MSG_SASL_STEP] = on_sasl_step},
	.closed = on_lost};
static const struct chan_ops store_ops = {
	.on = {[MSG_FETCH] = on_fetch, [MSG_READ] = on_read, [MSG_COMMIT] = on_commit, [MSG_CLOSE] = on_close},
	.closed = on_lost,
};

static void add_peer(struct chan *c, enum role role, uint32_t serial, const struct chan_ops *ops)
{
	struct msg_peer who = {.role = (uint32_t)role, .serial = serial};
	int fds[2];

	check(chan_pair(fds, NULL) == OK);
	check(peers_add(&stage.front, &who, fds[0]));
	chan_init(c, stage.loop, fds[1], role, ROLE_FRONT, 1, ops, NULL);
}

void stage_open(void)
{
	log_setup(&(struct log_setup){.fd = -1});
	memset(&stage, 0, sizeof stage);
	stage.loop = ev_loop_new(EVBACKEND_EPOLL);
	stage.listener = stage.second.in.fd = -1;
	stage.server = (struct conf_server){.timeout.n = 600, .backlog = 4};
	stage.conf = (struct conf){
		.expire_days = UINT32_MAX,
		.line_limit = 1024,
		.sasl_line_limit = 2000,
		.max_children = UINT32_MAX,
		.login_timeout.n = 60,
		.client_wait.n = 10,
		.output_buffer_size = 65536,
		.servers = &stage.server,
		.nservers = 1,
	};
	stage.env = (struct role_env){.conf = &stage.conf, .serial = 3, .listeners = &stage.listener, .client = -1};
	stage.env.places = (struct places_seat){
		.shared = mmap(NULL, places_octets(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.slots = 1,
		.peers = 1};
	stage.env.wake[0] = -1;
	check(stage.loop && stage.env.places.shared != MAP_FAILED);
	check(front_init(&stage.front, stage.loop, &stage.env));
	check(door_open(&stage.front));
	add_peer(&stage.auth, ROLE_AUTH, 10, &auth_ops);
	add_peer(&stage.store, ROLE_STORE, 11, &store_ops);
}

void stage_add_auth(void)
{
	add_peer(&stage.second, ROLE_AUTH, 12, &auth_ops);
}

void stage_close(void)
{
	door_close(&stage.front);
	front_done(&stage.front);
	chan_done(&stage.auth);
	chan_done(&stage.second);
	chan_done(&stage.store);
	ev_loop_destroy(stage.loop);
	munmap(stage.env.places.shared, places_octets(1));
}

void stage_run(void)
{
	for (int i = 0; i < 64; i++)
		ev_run(stage.loop, EVRUN_NOWAIT);
}

int stage_client(void)
{
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	check(places_take(&stage.front.places));
	check(session_new(&stage.front, &(struct arrival){.fd = fds[0], .server = &stage.server}));
	return fds[1];
}

static void send_all(int fd, const char *p, size_t n)
{
	for (int tries = 0; n > 0; tries++) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		check(done > 0 || (errno == EAGAIN && tries < 10000) || errno == EPIPE);
		if (done < 0 && errno == EPIPE)
			return;
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
		stage_run();
	}
}

void stage_say(int fd, struct slice text, bool by_octet)
{
	size_t step = by_octet ? 1 : text.n;

	for (size_t i = 0; i < text.n; i += step)
		send_all(fd, text.p + i, step);
}

const char *stage_hear(int fd, size_t *n)
{
	static char heard[1 << 20];
	size_t len = 0;

	for (int idle = 0; idle < 3;) {
		ssize_t got = recv(fd, heard + len, sizeof heard - 1 - len, 0);

		len += got > 0 ? (size_t)got : 0;
		idle = got > 0 ? 0 : idle + 1;
		stage_run();
	}
	heard[len] = '\0';
	if (n)
		*n = len;
	return heard;
}

bool stage_is_closed(int fd)
{
	char c;

	stage_run();
	return recv(fd, &c, 1, 0) == 0;
}

void stage_kill_store(void)
{
	chan_done(&stage.store);
	stage_run();
}

void stage_kill_auth(void)
{
	chan_done(&stage.auth);
	stage_run();
}
