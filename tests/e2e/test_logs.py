"""What an administrator reads: the lines of whole sessions, their ids, and what clients cannot make of them."""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from pop3 import Pop3
from server import free_port, wait_for
from system_log import SystemLog

MESSAGE = "Subject: a\n\none\n"
DIST = Path(__file__).parents[2] / "dist" / "fail2ban"
OCTETS = len(MESSAGE) + MESSAGE.count("\n")
WORD = r'[^" ]+'
QUOTED = r'"(?:[^"\\]|\\.)*"'
ID = "[0-9A-Za-z]{8}"

# User names that would like to be something else: a second pair, a second line, an address, a colour.
HOSTILE = [
    'x" address=192.0.2.66 port=1 code=[AUTH] reason="',
    "x\\\" address=192.0.2.66",
    "x\rpop3d: login-failed user=y address=192.0.2.66 code=[AUTH]",
    "\x1b[31mx\x9b\x07",
    "x' address=192.0.2.66 code=[AUTH] '",
    "%s%n%d",
    "\u202eevil\xff",
]


def lines(daemon, what=""):
    return [line for line in daemon.log().splitlines() if what in line]


def pairs(line):
    """The pairs of an event as a dict, and nothing may be left over."""
    event = re.search(rf"(?:^|: )([a-z-]+)((?: [a-z-]+=(?:{QUOTED}|{WORD}))+)$", line)
    assert event, f"no event: {line}"
    return {"event": event[1], **{k: v[1:-1] if v[0] == '"' else v
                                  for k, v in re.findall(rf" ([a-z-]+)=({QUOTED}|{WORD})", event[2])}}


def fail(daemon, user, password="wrong", **kw):
    """A failed login of a connection of its own."""
    c = daemon.connect(**kw)
    c.send(b"USER " + user.encode("latin-1", "replace") + b"\r\nPASS " + password.encode() + b"\r\n")
    c.line()
    c.line()
    c.quit()


def test_lines_of_a_session(daemon):
    """One line each for login, failure and logout, with all that is promised in it."""
    user = daemon.user()
    for _ in range(3):
        user.deliver(MESSAGE)
    daemon.start(extra="auth { failure-delay 0; }")
    c = daemon.connect()
    port = str(c.sock.getsockname()[1])
    c.ok(f"USER {user.login}")
    c.err("PASS wrong", "AUTH")
    c.login(user)
    c.retr(1)
    c.ok("DELE 1")
    c.quit()
    daemon.wait_log("logout ")
    common = {"user": user.login, "address": "127.0.0.1", "port": port, "server": f"127.0.0.1:{daemon.port}"}
    [failed], [login], [logout] = (lines(daemon, f" {what} ") for what in ("login-failed", "login", "logout"))
    id = pairs(login)["session"]
    assert re.fullmatch(ID, id)
    common["session"] = id
    assert pairs(failed) == {"event": "login-failed", **common, "code": "[AUTH]", "reason": "wrong password"}
    assert pairs(login) == {"event": "login", **common, "source": "virtdomain", "uid": str(user.uid), "messages": "3",
                            "octets": str(3 * OCTETS)}
    said = pairs(logout)
    assert int(said.pop("seconds")) < 300 and int(said.pop("sent")) > OCTETS
    assert said == {"event": "logout", **common, "reason": "quit", "retrieved": "1", "deleted": "1", "left": "2",
                    "octets": str(2 * OCTETS)}


def test_how_sessions_end(daemon):
    """`reason` tells; only a QUIT deletes."""
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="timeout 1;")
    for reason in ("disconnected", "timeout"):
        c = daemon.login(user)
        c.ok("DELE 1")
        if reason == "disconnected":
            c.close()
        said = pairs(daemon.wait_log(rf'.*logout .*reason="{reason}".*')[0])
        assert (said["deleted"], said["left"]) == ("0", "1")


def test_hostile_user_names(daemon):
    """They stay in their quotes, in one line, and the address is the real one."""
    daemon.user()
    daemon.start(extra="auth { failure-delay 0; }")
    for name in HOSTILE:
        fail(daemon, name)
    found = [pairs(line) for line in lines(daemon, "login-failed ")]
    assert len(found) >= len([name for name in HOSTILE if " " not in name])
    assert all(said["address"] == "127.0.0.1" and said["code"] == "[AUTH]" for said in found)
    assert not re.search(r"[^\x20-\x7e\n]", daemon.log())
    assert not re.search(r'(?m)^(?!pop3d: )', daemon.log().rstrip("\n"))


def fail2ban(path):
    """The addresses that fail2ban would count for the lines of a file."""
    filters = path.parent / "filter.d"  # as in /etc/fail2ban
    filters.mkdir()
    for source in (Path("/etc/fail2ban/filter.d/common.conf"), DIST / "filter.d" / "pop3d.conf"):
        shutil.copy(source, filters)
    result = subprocess.run(["fail2ban-regex", "-o", "ip", path, filters / "pop3d.conf"], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="test_fail2ban_filter needs fail2ban")
@pytest.mark.parametrize("logging", ["print-severity yes;", "print-severity no;", "session-id yes;", "compatible yes; session-id yes;"])
def test_fail2ban_filter(daemon, logging):
    """Each wrong password gives the address it came from; no name forges another; right passwords, maildrops in use and
    storage that is broken give none."""
    user, broken = daemon.user(), daemon.user()
    broken.inbox.path.joinpath("cur").rmdir()
    broken.inbox.path.joinpath("cur").write_text("no directory")
    daemon.start(extra=f"auth {{ failure-delay 0; }} mailbox {{ session-lock-wait 0; }} logging {{ {logging} }}")
    names = [name for name in HOSTILE + ["nobody@nowhere.test", user.login] if " " not in name]
    for name in names:
        fail(daemon, name, source="127.0.0.2")
    c = daemon.login(user, source="127.0.0.3")
    for owner, password, code in ((user, user.password, b"[IN-USE]"), (broken, broken.password, b"[SYS/")):
        other = daemon.connect(source="127.0.0.4")
        other.ok(f"USER {owner.login}")
        assert code in other.err(f"PASS {password}")
        other.quit()
    c.quit()
    daemon.wait_log(" logout | session ended ")
    # As a system log writes them to its file.
    lines = daemon.top / "mail.log"
    lines.write_text(re.sub(r"(?m)^pop3d: ", "Nov 25 09:30:01 mail pop3d[4711]: ", daemon.log()), encoding="utf-8")
    assert fail2ban(lines) == ["127.0.0.2"] * len(names)


def test_session_id_in_all_processes(daemon):
    """From the connection on: front, auth and store write the same id, each session has its own, and processes without one
    write none."""
    user = daemon.user()
    user.deliver(MESSAGE)
    daemon.start(extra="logging { session-id yes; } auth { failure-delay 0; }")
    ids = []
    for _ in range(3):
        c = daemon.login(user)
        c.ok("DELE 1")
        user.inbox.file(user.inbox.files()[0]).unlink()
        c.quit()  # of a message that is gone
        user.deliver(MESSAGE)
        ids.append(pairs(lines(daemon, " login ")[-1])["session"])
    assert len(set(ids)) == 3
    assert wait_for(lambda: len(lines(daemon, "logout ")) == 3)
    first = [line for line in lines(daemon, ids[0])]
    assert all(line.startswith(f"pop3d: {ids[0]} ") for line in first), first
    for word in ("auth-hashed ", "deleted ", "login ", "logout "):  # auth, store, front, front
        assert any(f": {word}" in line for line in first), (word, first)
    assert re.search(r"(?m)^pop3d: info: pop3d \(.*\) started$", daemon.log())
    assert re.fullmatch(rf"pop3d: {ids[0]} info: login .*", lines(daemon, " login ")[0])
    daemon.restart()
    daemon.login(user).quit()
    assert pairs(lines(daemon, " login ")[-1])["session"] not in ids


@pytest.mark.needs_root
def test_log_facility_option(daemon):
    """--log-facility wins over the statement; one line of a session is one datagram, with its id behind the tag."""
    user = daemon.user()
    with SystemLog() as log:
        daemon.start(extra="logging { syslog yes; facility local3; print-severity no; session-id yes; }",
                     options=["--log-facility=local4"])
        daemon.login(user).quit()
        log.wait(r"^<%d>\w{3} [ \d]\d [\d:]{8} pop3d\[\d+\]: (\w{8}) login .* session=\1 " % (20 * 8 + 6))


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_log_that_nobody_reads(daemon, kind):
    """Standard error is a pipe or a socket that is full: mail is served all the same, and the lines that were lost are
    counted. Its flags stay what they were."""
    user = daemon.user()
    user.deliver(MESSAGE)
    if kind == "pipe":
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
        ours = write
    else:
        a, b = socket.socketpair()
        b.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        read, ours = a.detach(), b.detach()
    daemon.write_config()
    daemon.process = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=ours,
                                      env=daemon.environment(), start_new_session=True, cwd="/", **daemon.identity())
    try:
        assert wait_for(lambda: not refused(daemon))
        for _ in range(60):
            daemon.login(user).quit()
        assert fcntl.fcntl(ours, fcntl.F_GETFL) & os.O_NONBLOCK == 0
        os.set_blocking(read, False)
        before = os.read(read, 1 << 20)
        assert before.count(b"logout ") < 60
        daemon.login(user).quit()
        assert wait_for(lambda: b"lines lost before this one" in try_read(read), 20)
    finally:
        os.close(ours)
        daemon.stop()
        os.close(read)


def try_read(fd):
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


def refused(daemon):
    try:
        Pop3(daemon.address).quit()
        return False
    except ConnectionRefusedError:
        return True


def said(daemon):
    """The transcript without what stands in front of it."""
    return [m[1] for m in re.finditer(r"(?m)^pop3d: (?:\w{8} )?debug: ([CS]: .*|[CS]:)$", daemon.log())]


def test_transcript(daemon):
    """A session, line by line; of messages and listings the octets alone; no password, wherever it stands."""
    user = daemon.user(password="Geheim8")
    message = MESSAGE + "wort\n" * 30000
    user.deliver(message)
    octets = len(message) + message.count("\n")
    daemon.start(extra="transcript yes; output-buffer-size 4096; auth { failure-delay 0; } logging { session-id yes; }")
    c = daemon.connect()
    for odd in ("Geheim8", f"{user.login} Geheim8", "AUTH PLAIN Geheim8", "Geheim8=", "APOP bob Geheim8", "PASS Geheim8",
                f"USER {user.login} Geheim8", "NOOP Geheim8", "pass\tGeheim8"):
        c.cmd(odd)
    c.login(user)
    c.send(b"PASS Geheim8\r\nGeheim8\r\nLIST Geheim8\r\nLIST 1\r\nSTAT\r\n")
    for _ in range(5):
        c.line()
    c.list()
    c.retr(1)
    c.top(1, 0)
    c.ok("CAPA")
    capa = sum(len(line) + 2 for line in c.lines()) + 3
    c.quit()
    daemon.wait_log("logout ")
    expected = [
        "S: +OK POP3 Ready",
        "C: ***", "S: -ERR Invalid command", "C: ***", "S: -ERR Invalid command", "C: AUTH ***", "S: -ERR Invalid base64",
        "C: ***", "S: -ERR Invalid command", "C: APOP ***", "S: -ERR Invalid command", "C: PASS ***", "S: -ERR Invalid command",
        f"C: USER {user.login} ***", "S: -ERR Invalid arguments", "C: NOOP ***", "S: -ERR Invalid arguments",
        "C: pass ***", "S: -ERR Invalid command",
        f"C: USER {user.login}", "S: +OK", "C: PASS ***", f"S: +OK maildrop has 1 messages ({octets} octets)",
        "C: PASS ***", "S: -ERR Incorrect state", "C: ***", "S: -ERR Invalid command", "C: LIST ***",
        "S: -ERR Invalid arguments", "C: LIST 1", f"S: +OK 1 {octets}", "C: STAT", f"S: +OK 1 {octets}",
        "C: LIST", "S: +OK", f"S: (data: {len(str(octets)) + 7} octets)",
        "C: RETR 1", f"S: +OK {octets} octets", f"S: (data: {octets + 3} octets)",
        "C: TOP 1 0", "S: +OK", "S: (data: 17 octets)",
        "C: CAPA", "S: +OK Capability list follows", f"S: (data: {capa} octets)",
        "C: QUIT", "S: +OK"]
    assert said(daemon)[-len(expected):] == expected
    assert "Geheim8" not in daemon.log()
    session = pairs(lines(daemon, " login ")[-1])["session"]
    assert f"pop3d: {session} debug: C: QUIT" in lines(daemon, "C: QUIT")


@pytest.mark.parametrize("how", ["stls", "implicit"])
def test_transcript_with_tls(daemon, how):
    """The transcript goes on behind the handshake; lines say version and cipher, Mailutils' too."""
    user = daemon.user(password="Geheim8")
    user.deliver(MESSAGE)
    cert = daemon.certificate()
    context = cert.context()
    if how == "implicit":
        daemon.tls = context
    daemon.start(server=cert.block + ("tls-mode connection;" if how == "implicit" else ""),
                 extra="transcript yes; auth { failure-delay 0; } debug { level tls; }")
    c = daemon.connect()
    if how == "stls":
        c.cmd("PASS Geheim8")  # too early, and in the clear
        c.stls(context)
    c.cmd("Geheim8")
    c.login(user)
    c.retr(1)
    c.quit()
    login = pairs(daemon.wait_log(".* login .*")[0])
    assert login["tls"] == "TLSv1.3" and login["cipher"].startswith("TLS_")
    before = ["C: PASS ***", "S: -ERR Invalid command", "C: STLS", "S: +OK Begin TLS negotiation"] if how == "stls" else []
    expected = ["S: +OK POP3 Ready", *before, "C: ***", "S: -ERR Invalid command", f"C: USER {user.login}", "S: +OK",
                "C: PASS ***", f"S: +OK maildrop has 1 messages ({OCTETS} octets)", "C: RETR 1",
                f"S: +OK {OCTETS} octets", f"S: (data: {OCTETS + 3} octets)", "C: QUIT", "S: +OK"]
    assert said(daemon)[-len(expected):] == expected
    assert "Geheim8" not in daemon.log()
    assert f"debug: TLS established: TLSv1.3, {login['cipher']}" in daemon.log()
    daemon.restart(extra="logging { compatible yes; }")
    c = daemon.connect()
    if how == "stls":
        c.stls(context)
    c.login(user)
    c.quit()
    daemon.wait_log(r"info: TLS established using AES-128-GCM-AEAD \(TLS1\.3\)\n")


def test_inetd(daemon):
    """The same lines, ids and transcript where a superserver has accepted the client."""
    user = daemon.user()
    daemon.extra = "mode inetd; transcript yes; logging { syslog no; session-id yes; print-severity yes; }"
    daemon.write_config()
    with socket.create_server(("127.0.0.1", 0)) as listener, open(daemon.log_file, "ab") as log:
        port = listener.getsockname()[1]
        c = Pop3(("127.0.0.1", port), greeting=False)
        sock, _ = listener.accept()
        with sock:
            process = subprocess.Popen(daemon.command(), stdin=sock, stdout=sock, stderr=log, env=daemon.environment(),
                                       start_new_session=True, **daemon.identity())
        c.line()
        c.login(user)
        c.quit()
        assert process.wait(30) == 0
    login, logout = pairs(lines(daemon, " login ")[0]), pairs(lines(daemon, " logout ")[0])
    assert login["server"] == f"127.0.0.1:{port}" and login["address"] == "127.0.0.1" and login["session"] == logout["session"]
    assert login["session"] != "00000000" and f"pop3d: {login['session']} debug: C: QUIT" in lines(daemon)
    assert said(daemon)[0] == "S: +OK POP3 Ready"


@pytest.mark.parametrize("where", ["yes", "no"])
def test_inetd_says_nothing_of_its_own_to_the_client(daemon, where):
    """Superservers give the client as standard error, too: neither warnings at start nor lines of the log are for him."""
    daemon.extra = f"mode inetd; expire 3; transcript yes; logging {{ syslog {where}; }}"
    daemon.write_config()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        c = Pop3(listener.getsockname(), greeting=False)
        sock, _ = listener.accept()
        with sock:
            process = subprocess.Popen(daemon.command(), stdin=sock, stdout=sock, stderr=sock, env=daemon.environment(),
                                       start_new_session=True, **daemon.identity())
        assert c.line() == b"+OK POP3 Ready"
        c.quit()
        assert process.wait(30) == 0


def test_transcript_of_one_server(daemon):
    """A server says otherwise for itself; not at all where lines of severity debug are dropped."""
    user = daemon.user()
    other = free_port()
    daemon.start(servers=f"server 127.0.0.1:{daemon.port} {{ transcript yes; }} server 127.0.0.1:{other} {{ }}")
    daemon.wait_log("started")
    Pop3(("127.0.0.1", other)).quit()
    assert not said(daemon)
    daemon.login(user).quit()
    assert "C: QUIT" in said(daemon)
    daemon.stop()
    before = len(said(daemon))
    daemon.start(servers=f"server 127.0.0.1:{daemon.port} {{ transcript no; }}", extra="transcript yes;")
    daemon.wait_log("(?s)started.*started")
    daemon.login(user).quit()
    daemon.stop()
    daemon.start(servers=f"server 127.0.0.1:{daemon.port} {{ }}", extra="transcript yes; logging { severity info; }")
    assert wait_for(lambda: not refused(daemon))
    daemon.login(user).quit()
    assert len(said(daemon)) == before


# Topic, a level that shows it, what it shows of one session, how often.
DEBUGGING = [
    ("auth.trace1", r"Getting auth info for user user0@example\.test"),
    ("auth.trace1", r"source=virtdomain, name=user0, passwd=\*\*\*, uid=\d+, gid=\d+, dir=/\S*user0/?, mailbox=\S+, place=.*"),
    ("auth.trace2", r"Trying virtdomain\.\.\."),
    ("auth.trace2", r"virtdomain yields 0=OK"),
    ("auth.trace2", r"virtdomain yields 3=AUTH \S.*"),
    ("mailbox.trace1", r"\S+/INBOX: open \(maildir\), 1 messages, \d+ octets"),
    ("mailbox.trace1", r"\S+/INBOX: commit"),
    ("mailbox.trace2", r"\S+/INBOX: has no index: scanning"),
    ("locker.trace1", r"\S+/INBOX: session lock: 0=OK"),
    ("server.trace1", r"connect from 127\.0\.0\.1 port \d+"),
    ("server.trace1", r"started front \d+"),
    ("config.trace1", r"1 server\(s\), authorization virtdomain, authentication generic"),
    ("stream.trace1", r"received \d+ octets"),
    ("acl.trace9", r"\S*:\d+: Does it match 127\.0\.0\.1\? yes"),
]


def session_with_failure(daemon, user):
    fail(daemon, "nobody@example.test")
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    daemon.wait_log("logout ")


@pytest.mark.parametrize("how", ["statement", "option", "pragma"])
def test_debug_levels(daemon, how):
    """Each topic shows what it has at its level; nothing without it. No hash, no password, whatever is asked for."""
    user = daemon.user(password="Geheim8")
    user.deliver(MESSAGE)
    hash = (daemon.domains / user.domain).read_text().split(":")[1]
    spec = ";".join(sorted({level for level, _ in DEBUGGING}))
    rest = "auth { failure-delay 0; } acl { allow 127.0.0.0/8; }"
    daemon.start(extra=rest)
    session_with_failure(daemon, user)
    for level, pattern in DEBUGGING:
        assert not re.search(rf"(?m): debug: {pattern}$", daemon.log()), pattern
    daemon.stop()
    daemon.log_file.unlink()
    shutil.rmtree(user.inbox.path)
    type(user.inbox)(user.inbox.path, user.uid, user.gid).deliver(MESSAGE)
    daemon.start(extra={"statement": rest + f'debug {{ level "{spec}"; }}', "pragma": f"#debug={spec}\n" + rest,
                        "option": rest + "debug { level server; }"}[how],
                 options=[f"--debug-level={spec}"] if how == "option" else [])
    session_with_failure(daemon, user)
    for level, pattern in DEBUGGING:
        assert re.search(rf"(?m): debug: {pattern} *$", daemon.log()), pattern
    daemon.restart(extra=rest + "debug { level all; } transcript yes;", options=[])
    session_with_failure(daemon, user) if user.inbox.files() else daemon.login(user).quit()
    assert "Geheim8" not in daemon.log() and hash not in daemon.log() and hash[-20:] not in daemon.log()


@pytest.mark.parametrize("how", ["statement", "option"])
def test_debug_line_info(daemon, how):
    """Debugging lines, and no others, say where they come from."""
    user = daemon.user()
    statement, options = ("line-info yes;", []) if how == "statement" else ("line-info no;", ["--debug-line-info"])
    daemon.start(extra=f"debug {{ level auth; {statement} }}", options=options)
    daemon.login(user).quit()
    assert re.search(r"(?m)^pop3d: debug: chain\.c:\d+: Trying virtdomain\.\.\.$", daemon.log())
    assert re.search(r"(?m)^pop3d: info: login ", daemon.log())


def test_session_id_from_accept_on(daemon):
    """Also where an access list speaks before the greeting."""
    user = daemon.user()
    daemon.start(extra='acl { log any "connect from ${address}"; allow any; } logging { session-id yes; }')
    daemon.login(user).quit()
    id = pairs(lines(daemon, " login ")[-1])["session"]
    assert f"pop3d: {id} info: connect from 127.0.0.1" in lines(daemon, "connect from")


# What a client does, and the lines that Mailutils writes about it.
def old_session(daemon, user):
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()


def old_failures(daemon, user):
    fail(daemon, user.login)
    fail(daemon, "nobody@example.test")


def old_probe(daemon, user):
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.quit()


def old_disconnect(daemon, user):
    daemon.connect().close()  # says nothing
    daemon.login(user).close()


def old_timeout(daemon, user):
    c = daemon.login(user)
    assert c.line() == b"-ERR Session timed out"
    c.at_end()


def old_in_use(daemon, user):
    first, second = daemon.login(user), daemon.connect()
    second.ok(f"USER {user.login}")
    second.err(f"PASS {user.password}", "IN-USE")
    second.quit()
    first.quit()


OPENED = ["info: POP3 login: user `{name}', source virtdomain",
          "info: user `{name}' logged in with mailbox `{box}' ({n})"]
OLD = [
    (old_session, OPENED + ["info: session ended for user: {name}"]),
    (old_failures, ["info: user `{login}': authentication failed", "info: session ended for no user",
                    "info: user `nobody@example.test' nonexistent", "info: session ended for no user"]),
    (old_probe, ["info: possible probe of account `{login}'", "info: session ended for no user"]),
    (old_disconnect, OPENED + ["error: Unexpected eof on input", "info: remote protocol error"]),
    (old_timeout, OPENED + ["error: Read time out", "info: session timed out for user: {name}"]),
    (old_in_use, OPENED + ["info: POP3 login: user `{name}', source virtdomain", "notice: locking mailbox `{box}' failed: .*",
                           "info: session ended for no user", "info: session ended for user: {name}"]),
]


@pytest.mark.parametrize("does,expected", OLD, ids=[row[0].__name__ for row in OLD])
@pytest.mark.parametrize("messages", [1, 2])
def test_compatible(daemon, does, expected, messages):
    """Mailutils' texts, in its order, and none of ours that say the same; failed logins keep ours beside it."""
    user = daemon.user()
    for _ in range(messages):
        user.deliver(MESSAGE)
    daemon.start(extra="logging { compatible yes; } auth { failure-delay 0; } mailbox { session-lock-wait 0; }"
                       + ("timeout 1;" if does is old_timeout else ""))
    daemon.wait_log(r" started\n")
    daemon.wait_log("session ended for no user\n")  # of whoever looked whether it serves
    start = len(lines(daemon))
    does(daemon, user)
    values = {"name": user.name, "login": user.login, "box": user.inbox.path,
              "n": "1 message" if messages == 1 else f"{messages} messages"}
    patterns = [re.escape(text.format(**values)).replace(r"\.\*", ".*") for text in expected]

    def said():
        return [line.removeprefix("pop3d: ") for line in lines(daemon)[start:]
                if not re.search("login-failed |deleted |debug: ", line)]

    assert wait_for(lambda: len(said()) >= len(patterns), 20), daemon.log()
    # Processes write for themselves: lines of different ones may change places.
    left = said()
    for pattern in patterns:
        found = [line for line in left if re.fullmatch(pattern, line)]
        assert found, (pattern, daemon.log())
        left.remove(found[0])
    assert not left
    assert not re.search(" login | logout ", daemon.log())
    if does is old_failures:
        assert len(lines(daemon, "login-failed ")) == 2


def test_compatible_processes(daemon):
    """Processes that end, access lists, and the end of the daemon."""
    daemon.user()
    daemon.alarms_expected = True
    daemon.start(extra="logging { compatible yes; } acl { deny 127.0.0.2; allow any; }")
    daemon.wait_log(r"info: pop3d \(.*\) started")  # it may serve a little sooner; who ends before that has never been started
    pid = daemon.role_pids("hash")[0]
    os.kill(pid, signal.SIGKILL)
    daemon.wait_log(rf"error: process {pid} terminated on signal 9")
    denied = Pop3(daemon.address, source="127.0.0.2", greeting=False)
    port = denied.sock.getsockname()[1]
    denied.at_end()
    daemon.wait_log(rf"info: Denying connection from inet://127\.0\.0\.2:{port}\n")
    daemon.stop()
    assert "pop3d: crit: MASTER: exiting on signal (Terminated)" in daemon.log()
    assert re.search(r"info: process \d+ finished with code 0 \(front\)", daemon.log())
    assert re.search(r"info: pop3d \(.*\) terminated", daemon.log())
