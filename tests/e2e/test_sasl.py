"""AUTH: mechanisms, their clients, and what strangers may say."""

import base64
import os
import re
import subprocess

import pytest

from clients import Where, call, fetchmail
from pop3 import Gone
from sasl import BAD, MESSAGE, OPENED, Scrammed, b64, gsasl, offered, plain, scram_challenge, secrets, verifier
from test_inetd import Inetd


@pytest.fixture
def world(daemon):
    """A daemon that is not started yet, with a user who has mail."""
    daemon.first = daemon.user()
    daemon.first.deliver(MESSAGE)
    daemon.extra = "auth { failure-delay 0; }\n"
    return daemon


def test_plain_and_login(either):
    """Both mechanisms, with an initial response and without; whoever is wrong hears the same as behind PASS; the log says who."""
    user = either.user()
    user.deliver(MESSAGE)
    either.servers = f"server 127.0.0.1:{either.port} {{ transcript yes; }}"
    either.extra = "auth { failure-delay 0; }"
    for say in ([f"AUTH PLAIN {plain(user)}"], ["auth plain", plain(user)], [f"AUTH PLAIN {plain(user, authzid=user.login)}"],
                ["AUTH LOGIN", b64(user.login), b64(user.password)], [f"AUTH LOGIN {b64(user.login)}", b64(user.password)]):
        with either.connect() as c:
            assert offered(c) == ["PLAIN", "LOGIN"]
            for line in say[:-1]:
                assert c.cmd(line).startswith(b"+ ")
            assert c.cmd(say[-1]).startswith(OPENED)
            assert c.cmd("AUTH") == b"-ERR Incorrect state"
            assert c.retr(1) == MESSAGE.replace("\n", "\r\n").encode()
            c.quit()
    wrong = [plain(user, "no"), plain(user, ""), plain(user, "secret\r"), plain(user, "secret\0"), plain(user, authzid="root"), b64("\0\0secret"),
             b64(user.login), b64("\0nobody@example.test\0secret"), b64("a\0b\0c\0d"), "="]
    with either.connect() as c:
        for line in wrong:
            assert c.cmd(f"AUTH PLAIN {line}") == BAD, line
        assert at_end(c)  # the tenth failure of a connection
    either.wait_log("wants to act for another user")
    log = either.log()
    assert re.search(f'login-failed user="{user.login}" address=127.0.0.1 .*reason="wrong password"', log), log
    assert log.count(f'login user="{user.login}"') == 5
    assert plain(user) not in log and "secret" not in re.sub(r"secret-|secrets", "", log), log
    assert "C: AUTH ***" in log and "C: ***" in log and "S: + ***" in log


def at_end(c):
    try:
        return c.at_end()
    except Gone:
        return True


def test_lines(world):
    """What may stand in a line, and how it comes: cut in octets, together with what follows, too long, no base64, cancelled."""
    user = world.first
    world.start(extra=world.extra + "sasl-line-limit 2000;")
    with world.connect() as c:
        assert c.cmd("AUTH NONE") == b"-ERR Mechanism is not available"
        assert c.cmd("AUTH CRAM-MD5") == b"-ERR Mechanism is not available"
        for broken in ("x", "AAA", "AAA=A", "AAAA AAAA", "A=AA", "*"):
            assert c.cmd(f"AUTH PLAIN {broken}") == b"-ERR Invalid base64", broken
            assert c.cmd("AUTH PLAIN") == b"+ "
            assert c.cmd(broken) == (b"-ERR Authentication cancelled" if broken == "*" else b"-ERR Invalid base64")
        assert c.cmd("AUTH PLAIN") == b"+ "
        assert c.cmd("=") == b"-ERR Invalid base64"  # stands for an initial response alone
        assert c.cmd("AUTH PLAIN") == b"+ "
        assert c.cmd("A" * 1997) == b"-ERR Invalid base64"  # 1999 octets with CR
        assert c.cmd("AUTH PLAIN") == b"+ "
        assert c.cmd("A" * 2000) == b"-ERR Argument too long"
        assert c.cmd("AUTH PLAIN " + "A" * 1985) == b"-ERR Invalid base64"  # is no longer than the limit, which is above line-limit
        assert c.cmd("AUTH PLAIN " + "A" * 2000) == b"-ERR Argument too long"
        assert c.cmd("NOOP " + "A" * 1100) == b"-ERR Argument too long"
        assert c.cmd("AUTH PLAIN") == b"+ "
        for octet in plain(user) + "\r\n":
            c.send(octet)
        assert c.line().startswith(OPENED)
        c.quit()
    with world.connect() as c:  # all in one write
        c.send(f"AUTH PLAIN\r\n{plain(user, 'no')}\r\nAUTH LOGIN\r\n*\r\nAUTH PLAIN {plain(user)}\r\nSTAT\r\nQUIT\r\n")
        assert [c.line()[:11] for _ in range(7)] == [b"+ ", BAD[:11], b"+ VXNlcm5hb", b"-ERR Authen", OPENED[:11], b"+OK 1 20", b"+OK"]
    with world.connect() as c:  # the connection ends within an exchange
        assert c.cmd("AUTH LOGIN").startswith(b"+ ")
    world.login(user).quit()
    world.stop()


def test_inetd(world):
    """Under a superserver auth is started when a client says AUTH: with an initial response, and without."""
    user = world.first
    path = secrets(world, {user.login: "stored"})
    superserver = Inetd(world, f'{world.extra}\ngsasl {{ cram-passwd "{path}"; }}')
    for said in ([f"AUTH PLAIN {plain(user)}"], ["AUTH LOGIN", b64(user.login), b64(user.password)]):
        c, process = superserver.client()
        with c:
            for line in said[:-1]:
                assert c.cmd(line).startswith(b"+ ")
            assert c.cmd(said[-1]).startswith(OPENED)
            c.quit()
        assert process.wait(30) == 0
    c, process = superserver.client()
    with c:
        assert gsasl(c, "SCRAM-SHA-256", user.login, "stored").startswith(OPENED)
        c.quit()
    assert process.wait(30) == 0
    superserver.listener.close()


def test_clients(world):
    """Programs that others wrote, each with the mechanisms that it knows."""
    user = world.first
    other = world.user()  # whose secret is not the password of the chain
    other.deliver(MESSAGE)
    path = secrets(world, {user.login: user.password, other.login: "stored"})
    world.start(extra=world.extra + f'gsasl {{ cram-passwd "{path}"; digest-md5 yes; }}')
    url = f"pop3://127.0.0.1:{world.port}/1"
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"):
        for early in ((), ("--sasl-ir",)):
            assert b"Subject: a" in call("curl", "-sS", *early, "--login-options", f"AUTH={mechanism}", "--user", f"{user.login}:{user.password}", url), mechanism
    for mechanism in ("plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256"):
        assert call("mpop", "--host=127.0.0.1", f"--port={world.port}", f"--user={user.login}", f"--passwordeval=echo {user.password}", f"--auth={mechanism}",
                    "--tls=off", "--serverinfo", "--pipelining=auto") is not None
        fetched = world.top / mechanism
        fetched.mkdir()
        for sub in ("cur", "new", "tmp"):
            (fetched / sub).mkdir()
        call("mpop", "--host=127.0.0.1", f"--port={world.port}", f"--user={user.login}", f"--passwordeval=echo {user.password}", f"--auth={mechanism}",
             "--tls=off", "--keep=on", f"--uidls-file={fetched}.uidls", f"--delivery=maildir,{fetched}", env={**os.environ, "HOME": str(world.top)})
        assert len(list((fetched / "new").iterdir())) == 1, mechanism
    assert len(re.findall(f' login user="{user.login}"', world.log())) >= 8 + 6
    assert b"Subject: a" in fetchmail(Where(world.port), Scrammed(other.login, "stored"), world.top, auth="cram-md5")


def test_login_timeout(world):
    world.start(extra=world.extra + "login-timeout 1;")
    with world.connect() as c:
        assert c.cmd("AUTH LOGIN").startswith(b"+ ")
        assert c.line() == b"-ERR Session timed out"


def test_not_enabled(world):
    world.start(extra=world.extra + "gsasl { enable no; }")
    with world.connect() as c:
        assert offered(c) == []
        assert c.cmd(f"AUTH PLAIN {plain(world.first)}") == b"-ERR Mechanism is not available"
        c.login(world.first)


def test_stored_secrets(either):
    """SCRAM and CRAM-MD5 against the client of GNU SASL; passwords, and what was made from them in all its forms."""
    users = [either.user() for _ in range(4)]
    for user in users:
        user.deliver(MESSAGE)
    stored = {users[0].login: "clear pass=word,", users[1].login: verifier("pw1"), users[2].login: verifier("pw2", form="braces"),
              users[3].login: verifier("pw3", "SHA-1", form="rfc")}
    path = secrets(either, stored)
    either.extra = f'auth {{ failure-delay 0; }}\ngsasl {{ cram-passwd "{path}"; }}'
    right = [(0, "clear pass=word,", "SCRAM-SHA-256"), (0, "clear pass=word,", "SCRAM-SHA-1"), (0, "clear pass=word,", "CRAM-MD5"),
             (1, "pw1", "SCRAM-SHA-256"), (2, "pw2", "SCRAM-SHA-256"), (3, "pw3", "SCRAM-SHA-1")]
    wrong = [(0, "no", "SCRAM-SHA-256"), (0, "no", "CRAM-MD5"), (1, "no", "SCRAM-SHA-256"), (1, "pw1", "SCRAM-SHA-1"), (1, stored[users[1].login], "CRAM-MD5"),
             (3, "pw3", "SCRAM-SHA-256")]
    for n, password, mechanism in right:
        with either.connect() as c:
            assert offered(c) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]
            assert gsasl(c, mechanism, users[n].login, password).startswith(OPENED), (n, mechanism, either.log())
            c.quit()
    with either.connect() as c:
        for n, password, mechanism in wrong:
            assert gsasl(c, mechanism, users[n].login, password) == BAD, (n, mechanism)
        assert gsasl(c, "SCRAM-SHA-256", users[0].login, stored[users[0].login], "--authorization-id=root") == BAD
        assert gsasl(c, "CRAM-MD5", "nobody@example.test", "x") == BAD
        c.login(users[0])  # passwords of the chain are another matter
        c.quit()
    secrets(either, {users[0].login: "new"})  # counts at once
    with either.connect() as c:
        assert gsasl(c, "SCRAM-SHA-256", users[0].login, "clear pass=word,") == BAD
        assert gsasl(c, "SCRAM-SHA-256", users[0].login, "new").startswith(OPENED)
        c.quit()
    log = either.log()
    assert 'reason="has no secret for this mechanism"' in log and 'reason="wrong secret"' in log
    assert "clear pass" not in log and "pw1" not in log


def test_users_without_a_secret(world):
    """An exchange does not tell who has one: salt and count are there for everybody, and stay the same, in all processes."""
    other = world.user()
    path = secrets(world, {world.first.login: verifier("x", iterations=5000)})
    world.start(extra=world.extra + f'gsasl {{ cram-passwd "{path}"; }}')
    seen = {}
    for _ in range(6):
        with world.connect() as c:
            for name in (world.first.login, other.login, "nobody", "nobody@example.test"):
                seen.setdefault(name, set()).add(scram_challenge(c, name))
    assert all(len(of) == 1 for of in seen.values()), seen
    assert len({salt for of in seen.values() for _, salt, _ in of}) == 4
    assert {(n, count) for of in seen.values() for n, _, count in of} == {(12, "i=5000")}
    with world.connect() as c:
        assert scram_challenge(c, other.login) != scram_challenge(c, other.login, "SHA-1")
        assert gsasl(c, "SCRAM-SHA-256", other.login, other.password) == BAD
        for broken in ("n,,n=", "n,,n=a=b,r=x", "x,,n=a,r=x", "n,,r=x", "", "n,,n=a\0,r=x", "n,,n=a,r=" + "x" * 700):
            try:
                c.say(f"AUTH SCRAM-SHA-256 {b64(broken) or '='}")
                assert (line := c.line()) == BAD, (broken, line)
            except Gone:
                c = world.connect()
        c.close()


def test_cram_passwd_is_safe(world):
    """A file that everybody can read, or that is not there, is told at the start and at each use; no one is said to have a wrong password."""
    path = secrets(world, {world.first.login: "x"}, mode=0o644)
    world.start(extra=world.extra + f'gsasl {{ cram-passwd "{path}"; }}')
    assert f'cram-passwd {path} may be read or written by others' in world.log() and f"chmod 640 {path}" in world.log()
    with world.connect() as c:
        assert gsasl(c, "SCRAM-SHA-256", world.first.login, "x").startswith(b"-ERR [SYS/PERM]")
        path.chmod(0o640)
        assert gsasl(c, "SCRAM-SHA-256", world.first.login, "x").startswith(OPENED)
        c.quit()
    path.unlink()
    with world.connect() as c:
        assert gsasl(c, "SCRAM-SHA-256", world.first.login, "x").startswith(b"-ERR [SYS/PERM]")


def test_digest_md5(world):
    path = secrets(world, {world.first.login: "x"})
    world.start(extra=world.extra + f'gsasl {{ cram-passwd "{path}"; digest-md5 yes; service pop3; realm "the realm"; hostname mail.example.test; }}')
    more = ("--service=pop3", "--hostname=mail.example.test", "--realm=the realm", "--quality-of-protection=qop-auth")
    with world.connect() as c:
        assert "DIGEST-MD5" in offered(c)
        line = c.cmd("AUTH DIGEST-MD5")
        assert b'realm="the realm"' in base64.b64decode(line[2:]) and b'qop="auth"' in base64.b64decode(line[2:])
        assert c.cmd("*").startswith(b"-ERR")
        assert gsasl(c, "DIGEST-MD5", world.first.login, "no", *more) == BAD
        assert gsasl(c, "DIGEST-MD5", world.first.login, "x", "--service=imap", *more[1:]) == BAD
        assert gsasl(c, "DIGEST-MD5", world.first.login, "x", more[0], "--hostname=other.example.test", *more[2:]) == BAD
        assert gsasl(c, "DIGEST-MD5", world.first.login, "x", *more).startswith(OPENED)
        c.quit()


def test_anonymous(world):
    world.start(extra=world.extra + f'gsasl {{ anonymous-user "{world.first.login}"; }}')
    with world.connect() as c:
        assert offered(c) == ["PLAIN", "LOGIN", "ANONYMOUS"]
        assert gsasl(c, "ANONYMOUS", "x", "x", "--anonymous-token=guest@example.test").startswith(OPENED)
        c.quit()
