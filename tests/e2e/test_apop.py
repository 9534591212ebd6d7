"""APOP: its database, who may use it, and what real clients make of it."""

import fcntl
import hashlib
import os
import poplib
import re
import subprocess

import pytest

from clients import Where, call, fetchmail, getmail, mpop
from server import BINARY, wait_for
from test_inetd import Inetd

MESSAGE = "From: a@example.test\nSubject: a\n\nbody\n"
SECRET = "a secret of two words"
MAILUTILS, POPAUTH = "/usr/bin/popauth", BINARY.parent / "popauth"
STAMP = re.compile(rb"\+OK POP3 Ready (<[0-9a-f]{32}\.\d+@[A-Za-z0-9.-]+>)")
EX_CONFIG = 78


def write(daemon, records, name="apop", scheme="text"):
    """A database of secrets, made by whoever starts the daemon; returns its name for the configuration."""
    path = daemon.top / name
    lines = "".join(f"{user} {secret}\n" for user, secret in records.items())
    if scheme == "text":
        beside = path.with_name(f"{name}.new")  # as popauth does: whoever reads meanwhile finds one or the other
        beside.write_text(lines)
        beside.chmod(0o600)
        os.chown(beside, daemon.uid, daemon.uid)
        beside.rename(path)
        return f"text://{path}"
    program, database = (MAILUTILS, str(path)) if scheme == "gdbm" else (POPAUTH, f"{scheme}://{path}")
    made = subprocess.run([program, "--create", "--output", database], input=lines, text=True, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    os.chown(path, daemon.uid, daemon.uid)
    return database


def use(daemon, name, more=""):
    daemon.extra += f'apop-database-file "{name}";\n{more}\n'


def stamp_of(c):
    return STAMP.fullmatch(c.greeting)[1]


def digest(c, secret=SECRET):
    return hashlib.md5(stamp_of(c) + secret.encode()).hexdigest()


def apop(c, user, secret=SECRET):
    return c.cmd(f"APOP {user.login} {digest(c, secret)}")


BAD = b"-ERR [AUTH] Bad login"


def test_login(either):
    """A digest opens the maildrop; whatever else is said, the answer is one and the same. Passwords of those who have a secret do not."""
    user, other, stranger = either.user(), either.user(), either.user()
    user.deliver(MESSAGE)
    use(either, write(either, {user.login: SECRET, "nobody@example.test": SECRET}), "auth { failure-delay 0; }")
    with either.connect() as c:
        assert apop(c, user) == b"+OK maildrop has 1 messages (42 octets)"
        assert c.retr(1) == MESSAGE.replace("\n", "\r\n").encode()
        c.quit()
    with either.connect() as c:
        first = stamp_of(c)
        assert apop(c, user, "wrong") == BAD
        assert apop(c, other) == BAD  # no secret
        assert c.cmd(f"APOP nobody@example.test {digest(c)}") == BAD  # a secret, and no such user
        assert c.cmd(f"APOP no.such.user {digest(c)}") == BAD
        assert c.cmd(f"APOP {user.login} {digest(c).upper()}") == BAD
        assert c.cmd(f"APOP {user.login} {digest(c)[:-1]}") == BAD
        assert c.cmd(f"APOP {user.login}") == BAD
        assert c.cmd("APOP") == b"-ERR Invalid arguments"
        assert apop(c, user).startswith(b"+OK")  # failures cost nothing but time
        c.err("APOP a b")
        assert first not in either.connect().greeting
        c.quit()
    with either.connect() as c:
        c.ok(f"USER {user.login}")
        c.err("PASS secret", "AUTH")
        c.login(other)
        c.quit()
    log = either.log()
    for reason in ("wrong digest", "no secret for APOP", "no such user", "has a secret for APOP, and apop-password-login is no"):
        assert f'reason="{reason}"' in log, log
    assert SECRET not in log and re.search(r"login-failed.* address=127.0.0.1", log)
    assert len(re.findall(r" login user=", log)) == 3
    del stranger


def test_not_configured(daemon):
    """Without a database the greeting has no time stamp, and there is no such command."""
    daemon.user()
    daemon.start()
    with daemon.connect() as c:
        assert c.greeting == b"+OK POP3 Ready"
        c.ok("CAPA")
        assert "APOP" not in c.text()
        assert c.cmd("APOP a b") == b"-ERR Invalid command"
        c.quit()
    name = daemon.top / "none"
    daemon.restart(extra=f'apop-database-file "{name}";')
    with daemon.connect() as c:
        assert c.greeting == b"+OK POP3 Ready"
    assert f"APOP file {name}: there is none; APOP is not offered" in daemon.log()


def test_password_of_a_user_with_a_secret(daemon):
    user = daemon.user()
    use(daemon, write(daemon, {user.login: SECRET}), "auth { apop-password-login yes; }")
    daemon.login(user).quit()
    with daemon.connect() as c:
        assert apop(c, user).startswith(b"+OK")
        c.quit()


def test_changes(daemon):
    """What an administrator changes counts for the next login, in place or by another file; a file that cannot be used is trouble, and
    no wrong secret."""
    user, other = daemon.user(), daemon.user()
    use(daemon, write(daemon, {user.login: "1"}), "auth { failure-delay 0; }")
    daemon.start()

    def answer(who, secret):
        with daemon.connect() as c:
            return apop(c, who, secret)

    assert answer(user, "1").startswith(b"+OK")
    for n in range(2, 5):
        write(daemon, {user.login: str(n), other.login: "x"})
        assert answer(user, str(n)).startswith(b"+OK") and answer(user, str(n - 1)) == BAD and answer(other, "x").startswith(b"+OK")
    path = daemon.top / "apop"
    new = daemon.top / "apop.new"
    new.write_text(f"{user.login} 9\n")
    new.chmod(0o600)
    os.chown(new, daemon.uid, daemon.uid)
    new.rename(path)
    assert answer(user, "9").startswith(b"+OK") and answer(other, "x") == BAD
    path.chmod(0o640)
    assert answer(user, "9").startswith(b"-ERR [SYS/PERM]")
    assert f"APOP file {path} fails safety check: Group readable file" in daemon.log()
    with daemon.connect() as c:  # the last that was known says who may not use a password
        c.ok(f"USER {user.login}")
        c.err("PASS secret", "AUTH")
    path.chmod(0o600)
    assert answer(user, "9").startswith(b"+OK")
    path.unlink()
    assert answer(user, "9") == BAD
    daemon.login(user).quit()  # nobody has a secret now
    write(daemon, {user.login: "10"})
    assert answer(user, "10").startswith(b"+OK")


@pytest.mark.parametrize("scheme", ["gdbm", "lmdb", "bdb"])
def test_kinds(daemon, scheme):
    """Each kind of database, and what popauth changes in it while the daemon runs; under a lock of somebody else a login waits."""
    user = daemon.user()
    name = write(daemon, {user.login: "1"}, scheme=scheme)
    use(daemon, name, "auth { failure-delay 0; }")
    daemon.start()
    for secret in ("1", "2", "a longer one"):
        changed = subprocess.run([POPAUTH, "--modify", "--file", name, "--user", user.login, "--password", secret], check=False)
        assert changed.returncode == 0
        with daemon.connect() as c:
            assert apop(c, user, secret).startswith(b"+OK")
            c.quit()
    if scheme != "lmdb":
        with open(daemon.top / "apop", "r+b") as f, daemon.connect() as c:
            fcntl.flock(f, fcntl.LOCK_EX)
            os.utime(daemon.top / "apop")
            c.say(f"APOP {user.login} {digest(c, secret)}")
            fcntl.flock(f, fcntl.LOCK_UN)
            assert c.line().startswith(b"+OK")


def test_auth_process_dies(daemon):
    """The one that takes its place asks for the secrets anew."""
    user = daemon.user()
    use(daemon, write(daemon, {user.login: SECRET}))
    daemon.start()
    daemon.alarms_expected = True
    for _ in range(3):
        for pid in daemon.role_pids("pop3d-auth"):
            os.kill(pid, 9)

        def logged_in():
            with daemon.connect() as c:
                return apop(c, user).startswith(b"+OK")
        assert wait_for(logged_in)


@pytest.mark.parametrize("mode, checks, wrong", [
    (0o600, "all", None), (0o640, "all", "Group readable file"), (0o620, "all", "Group writable file"), (0o604, "all", "World readable file"),
    (0o640, '(all, "-grdfil")', None), (0o666, "none", None)], ids=str)
def test_safety(daemon, mode, checks, wrong):
    """As the statement says; what the name says wins over it."""
    user = daemon.user()
    name = write(daemon, {user.login: SECRET})
    use(daemon, name, f"apop-database-safety {checks};")
    os.chmod(daemon.top / "apop", mode)
    daemon.start()
    with daemon.connect() as c:
        assert bool(STAMP.fullmatch(c.greeting)) == (wrong is None)
        assert wrong is None or f"APOP file {daemon.top}/apop fails safety check: {wrong}" in daemon.log()
        assert wrong is not None or apop(c, user).startswith(b"+OK")
    if wrong:
        daemon.extra = ""
        use(daemon, name + ";none", f"apop-database-safety {checks};")
        daemon.restart()
        with daemon.connect() as c:
            assert apop(c, user).startswith(b"+OK")


@pytest.mark.needs_root
def test_owner(daemon):
    """Whose it must be: whoever starts the daemon, or who is named."""
    user = daemon.user()
    use(daemon, write(daemon, {user.login: SECRET}))
    os.chown(daemon.top / "apop", 1, 1)
    daemon.start()
    with daemon.connect() as c:
        assert c.greeting == b"+OK POP3 Ready"
    assert "fails safety check: File owner mismatch" in daemon.log()
    for owner in ("1", "daemon"):
        daemon.restart(extra=f'apop-database-file "text://{daemon.top}/apop"; apop-database-owner {owner};')
        with daemon.connect() as c:
            assert apop(c, user).startswith(b"+OK")


@pytest.mark.parametrize("text, says", [
    ('apop-database-file "kc:///a";', "apop-database-file: kc: databases of this kind are not read"),
    ('apop-database-file "apop.db";', "apop-database-file: apop.db: expected an absolute path"),
    ('apop-database-file "/a;foo";', "apop-database-file: unknown keyword: foo"),
    ("apop-database-owner no.such.user;", "no such user: no.such.user"),
    ("apop-database-safety foo;", "unknown keyword: foo"),
    ("auth { apop-password-login maybe; }", "Invalid argument; expected yes or no")], ids=str)
def test_bad_values(daemon, text, says):
    daemon.extra = text
    for options in ((), ("--config-lint",)):
        got = daemon.run(*options)
        assert got.returncode == EX_CONFIG and says in got.stderr, got.stderr


def test_transcript(daemon):
    """Neither digest nor secret is logged, also where the line is not what it should be."""
    user = daemon.user()
    use(daemon, write(daemon, {user.login: SECRET}), "transcript yes; auth { failure-delay 0; }")
    with daemon.connect() as c:
        wrong, right = digest(c, "other"), digest(c)
        c.err(f"apop {user.login} {wrong}")
        c.err(f" APOP {user.login}\t{wrong}")
        c.err(f"APOP  {wrong}")
        c.ok(f"APOP {user.login} {right}")
        c.err(f"APOP {user.login} {right}")
        c.quit()
    daemon.wait_log("C: QUIT")
    log = daemon.log()
    assert wrong not in log and right not in log and SECRET not in log
    assert log.count("APOP ***") + log.count("apop ***") == 5


def test_inetd(either):
    """The same, one process of each role at a time."""
    user = either.user()
    user.deliver(MESSAGE)
    use(either, write(either, {user.login: SECRET}), "auth { failure-delay 0; }")
    inetd = Inetd(either, extra=either.extra)
    c, p = inetd.client()
    assert apop(c, user, "wrong") == BAD
    assert apop(c, user).startswith(b"+OK")
    c.quit()
    assert p.wait(30) == 0


def test_reload(daemon):
    """A database that has come since the start is found by a reload."""
    user = daemon.user()
    use(daemon, f"text://{daemon.top}/apop")
    daemon.start()
    write(daemon, {user.login: SECRET})
    with daemon.connect() as c:
        assert c.greeting == b"+OK POP3 Ready"
    daemon.process.send_signal(1)
    daemon.wait_log("configuration reloaded")
    with daemon.connect() as c:
        assert apop(c, user).startswith(b"+OK")


def test_lookups(daemon):
    """Many at once, while the file changes: each gets in with one of the secrets that there were."""
    user = daemon.user()
    use(daemon, write(daemon, {user.login: SECRET}), "max-children 200;")
    daemon.start()
    clients = [daemon.connect() for _ in range(40)]
    for n, c in enumerate(clients):
        c.say(f"APOP {user.login} {digest(c)}")
        if n % 10 == 0:
            write(daemon, {user.login: SECRET, f"u{n}": "x"})
    answers = [c.line() for c in clients]
    assert all(a.startswith((b"+OK", b"-ERR [IN-USE]")) for a in answers), answers
    for c in clients:
        c.close()


# --- real clients ---


def by_fetchmail(where, user, place):
    return fetchmail(where, user, place, proto="apop")


def by_mpop(where, user, place):
    return mpop(where, user, place, auth="apop")


def by_getmail(where, user, place):
    return getmail(where, user, place, more="use_apop = true\n")


def by_curl(where, user, place):
    return call("curl", "-sS", "--login-options", "AUTH=+APOP", "--user", f"{user.login}:{user.password}", f"pop3://127.0.0.1:{where.port}/1",
                "--next", "-sS", "--login-options", "AUTH=+APOP", "--user", f"{user.login}:{user.password}", "-l", "-X", "DELE",
                f"pop3://127.0.0.1:{where.port}/1")


def by_poplib(where, user, place):
    p = poplib.POP3("127.0.0.1", where.port, timeout=60)
    p.apop(user.login, user.password)
    got = b"\n".join(p.retr(1)[1])
    p.dele(1)
    p.quit()
    return got


@pytest.mark.parametrize("scheme", ["text", "gdbm"])
def test_clients(daemon, scheme):
    """Each fetches and deletes by APOP, with a database that Mailutils' popauth has made, and one in text. A password would not do."""
    users = {}
    for client in (by_fetchmail, by_mpop, by_getmail, by_curl, by_poplib):
        users[client] = daemon.user(password=f"apop-{client.__name__}", hash="*")
        users[client].deliver(MESSAGE)
    use(daemon, write(daemon, {u.login: u.password for u in users.values()}, scheme=scheme))
    daemon.start()
    for client, user in users.items():
        place = daemon.top / client.__name__
        place.mkdir()
        assert b"\nbody" in client(Where(daemon.port), user, place).replace(b"\r", b""), client.__name__
        assert wait_for(lambda: user.inbox.files() == []), client.__name__
