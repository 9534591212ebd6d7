"""popctl auth test: what each module says of a user, and that it is what a client hears."""

import os
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from server import BINARY, Maildir, free_port
from system import IN_ETC, SystemDaemon, hashed
from test_auth import try_login

pytestmark = pytest.mark.needs_root

POPCTL = Path(os.environ.get("POPCTL", BINARY.with_name("popctl")))
CHAINS = "auth { authorization clear:system:virtdomain:sql%s; authentication clear:pam:generic:sql; lookup-timeout 1; }\n"
UID = 20701

# Login, password, what stands at the end, the status to exit with; and some lines, as patterns.
USERS = [
    ("bob", "secret", "+OK", 0, [r"system +found .* ms$", r"virtdomain +not asked +another one has the user", r"record of system:",
                                 r"uid +310\d\d$", r"maildrop +maildir:.*/spool/bob$", r"quota +none$",
                                 r"pam +right password", r"generic +not asked +records of system are none of its"]),
    ("bob", "a guess", "-ERR [AUTH]", 1, [r"pam +wrong password"]),
    ("ann@example.test", "secret", "+OK", 0, [r"system +not found .* ms  no such user", r"virtdomain +found", r"sql +not asked",
                                              r"place +/.*/domains/example\.test$", r"kept as +ann@example\.test", r"generic +right password"]),
    ("ann@example.test", "a guess", "-ERR [AUTH]", 1, [r"pam +not asked +records of virtdomain", r"generic +wrong password", r"sql +not asked +records of virtdomain"]),
    ("alice", "secret", "+OK", 0, [r"system +not found .* no such user", r"virtdomain +not found .* no domain", r"sql +found", r"quota +10485760 octets$",
                                   rf"uid +{UID}$", r"record of sql:", r"generic +right password"]),
    ("plain", "typed one", "+OK", 0, [r"generic +not asked +the record has nothing that it could compare", r"sql +right password"]),
    ("plain", "x", "-ERR [AUTH]", 1, [r"sql +wrong password"]),
    ("locked", "!", "-ERR [AUTH]", 1, [r"disabled"]),
    ("low", "secret", "-ERR [SYS/PERM]", 78, [r"generic +right password", r"refused +a uid that may not log in"]),
    ("nodir", "secret", "-ERR [SYS/PERM]", 78, [r"sql +failed .* SQL field `dir'"]),
    ("nobody-has-this", "secret", "-ERR [AUTH]", 1, [r"system +not found", r"virtdomain +not found", r"sql +not found"]),
    ("x\ny", "secret", None, 1, []),
]


def sql_users(path):
    with sqlite3.connect(path) as db:
        db.execute("create table users (login, passwd, uid integer, gid integer, dir, mailbox, quota, pass)")
        good = hashed("secret")
        for name, passwd, uid, home, quota, typed in (
                ("alice", good, UID, "/nonexistent", "10M", None), ("plain", "x", UID, "/nonexistent", None, "typed one"),
                ("locked", "!" + good, UID, "/nonexistent", None, None), ("low", good, 0, "/nonexistent", None, None),
                ("nodir", good, UID, None, None, None)):
            db.execute("insert into users values (?, ?, ?, ?, ?, ?, ?, ?)",
                       (name, passwd, uid, uid, home, f"maildir:{path.parent}/{name}", quota, typed))
    db.close()


@pytest.fixture(scope="module")
def daemon():
    d = SystemDaemon()
    (d.etc.path / "pam.d").mkdir()
    d.etc.write("pam.d/mailutils", "auth required pam_unix.so\naccount required pam_unix.so\n", 0o644)
    d.system_user("bob")
    d.user("ann")
    data = d.top / "sql"
    data.mkdir(mode=0o755)
    sql_users(data / "users.db")
    for name in ("alice", "plain"):
        Maildir(data / name, UID, UID)
    os.chown(data, 0, 0)
    columns = "login as name, passwd, uid, gid, dir, '/bin/sh' as shell, mailbox, quota from users"
    d.sql = (f'sql {{ interface sqlite; db "{data}/users.db"; getpwnam "select {columns} where login=\'$user\'"; '
             f'getpwuid "select {columns} where uid=$user"; getpass "select pass from users where login=\'$user\'"; }}\n')
    d.start(extra=CHAINS % "" + d.sql)
    yield d
    d.finish()


def auth_test(daemon, *words, code, password=None, config=None):
    """What it writes on standard output and, behind it, on standard error."""
    run = subprocess.run([*IN_ETC, str(daemon.etc.path), str(POPCTL), "--config-file", str(config or daemon.config), "auth", "test",
                          *(["--password-stdin"] if password is not None else []), *words],
                         input=password, capture_output=True, text=True, timeout=60, env=daemon.environment(), check=False)
    said = run.stdout + run.stderr
    assert run.returncode == code, said
    assert "Sanitizer" not in said and "runtime error" not in said, said
    assert password is None or len(password) < 5 or password.strip() not in said
    return said


@pytest.mark.parametrize("login, password, hears, code, lines", USERS)
def test_users(daemon, login, password, hears, code, lines):
    said = auth_test(daemon, login, code=code, password=password + "\n")
    for line in lines:
        assert re.search(line, said, re.M), said
    assert ("a client hears" in said) == bool(hears), said
    if hears:
        assert said.endswith(f"\na client hears {hears}\n"), said
        assert try_login(daemon, login, password).decode().startswith(hears)


def test_look_up_alone(daemon):
    """Without a password nobody is asked about one; by a uid, where modules have such a query."""
    said = auth_test(daemon, "plain", code=0)
    assert re.search(r"sql +found", said) and re.search(r"sql +not asked +would compare it", said), said
    assert said.endswith("a client hears +OK, if the password is right\n"), said
    assert re.search(r"pam +not asked +would be asked", auth_test(daemon, "bob", code=0))
    said = auth_test(daemon, "--uid", str(UID), code=0)
    assert re.search(r"system +not found .* it finds users by their names alone", said) and re.search(r"name +alice$", said, re.M), said
    assert re.search(r"sql +not found", auth_test(daemon, "--uid", "20777", code=1))


def variant(daemon, chains, more):
    config = daemon.top / "variant.conf"
    daemon.write_config()
    config.write_text(daemon.config.read_text(encoding="utf-8").replace(daemon.extra, chains + more), encoding="utf-8")
    return config


def test_servers_that_are_away(daemon):
    """Refused, or silent: it says so within lookup-timeout, and users of others are found all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = (f'ldap {{ enable yes; url "ldap://127.0.0.1:{free_port()}"; base "dc=x"; }}\n'
                f'sql {{ interface postgres; host 127.0.0.1; port {silent.getsockname()[1]}; db x; user x; getpwnam "select 1"; }}\n')
        config = variant(daemon, "auth { authorization ldap:sql:clear:ldap:sql:system; authentication pam:generic; lookup-timeout 1; }\n", dead)
        said = auth_test(daemon, "bob", code=0, password="secret", config=config)
        for line in (r"ldap +temporarily failed .* ms  .*127\.0\.0\.1", r"sql +temporarily failed +\d+ ms  ", r"system +found"):
            assert re.search(line, said), said
        assert "a client hears +OK\n" in said
        said = auth_test(daemon, "nobody-has-this", code=75, password="secret", config=config)
        assert re.search(r"system +not found", said) and "a client hears -ERR [SYS/TEMP]\n" in said, said


def test_what_it_cannot_do(daemon):
    """What the daemon would not start with, and command lines that make no sense."""
    config = variant(daemon, CHAINS % "", "sql { interface sqlite; }\n")
    assert re.search(r"^popctl: .*variant\.conf:\d+: module sql: ", auth_test(daemon, "bob", code=78, config=config), re.M)
    for words in ((), ("",), ("--uid", "bob"), ("--no-such-option", "bob"), ("bob", "ann")):
        assert "usage: popctl auth test" in auth_test(daemon, *words, code=64)
    assert "no user has such a name" in auth_test(daemon, "x" * 256, code=1)
    for password in ("two\nlines\n", "x" * 2000):
        assert "no module is asked" in auth_test(daemon, "bob", code=1, password=password)


def test_rights_of_the_daemon(daemon):
    """A file that auth cannot read, it cannot read; and no module behind makes a wrong password of that."""
    file = daemon.domains / "example.test"
    file.chmod(0o600)
    try:
        said = auth_test(daemon, "ann@example.test", code=78, password="secret")
        assert re.search(r"virtdomain +failed .*Permission denied", said) and re.search(r"sql +not found", said), said
        assert try_login(daemon, "ann@example.test", "secret").startswith(b"-ERR [SYS/PERM]")
    finally:
        file.chmod(0o644)
