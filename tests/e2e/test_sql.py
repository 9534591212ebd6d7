"""Users in data bases: each kind of server for real, and what happens when it is slow, dies or comes back."""

import contextlib
import crypt
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import START_SECONDS, Daemon, Maildir, wait_for
from test_auth import try_login
from test_inetd import Inetd
from test_run import reload

pytestmark = [pytest.mark.needs_root, pytest.mark.long]

SERVICES = Path(__file__).parents[1] / "services"
AUTH, TEMP, PERM, OK = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"+OK"
UID = 20601
KINDS = ["postgres", "mariadb", "odbc", "sqlite"]

TABLE = """create table users (login varchar(64) primary key, passwd varchar(255), uid int, gid int, gecos varchar(255), dir varchar(255),
shell varchar(64), mailbox varchar(255), quota varchar(32), pass varchar(255));
"""
QUERIES = """getpwnam "select login as name, passwd, uid, gid, gecos, dir, shell, mailbox, quota from users where login='$user'";
getpass "select pass from users where login='$user'";"""


class Server:
    """With a table of users."""

    def __init__(self, kind, top):
        self.kind, self.top = kind, Path(top)

    def start(self):
        subprocess.run([SERVICES / f"{self.kind}-up", self.top], check=True, capture_output=True, text=True, timeout=120)

    def run(self, program, text=""):
        subprocess.run([self.top / program], input=text, check=True, capture_output=True, text=True, timeout=60)

    def conf(self):
        return (self.top / "conf").read_text(encoding="utf-8")

    def add(self, login, passwd, uid=UID, directory="/nonexistent", mailbox=None, quota=None, password=None):
        def literal(value):
            if value is None or isinstance(value, int):
                return "null" if value is None else str(value)
            return "'" + (value.replace("\\", "\\\\") if self.kind == "mariadb" else value).replace("'", "''") + "'"
        row = (login, passwd, uid, uid, "x", directory, "/bin/sh", mailbox, quota, password)
        self.run("sql", f"insert into users values ({', '.join(literal(v) for v in row)});\n")


def chains(server, more="", how="auth { authorization (sql, virtdomain); authentication (generic, sql); failure-delay 0; }\n"):
    return f"{how}sql {{ {server.conf()} {QUERIES} {more} }}\n"


@pytest.fixture(scope="module", params=KINDS)
def world(request):
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        d.sql = Server(request.param, Path(d.top) / "sql")
        d.sql.start()
        ends.callback(d.sql.run, "stop")
        d.sql.run("sql", TABLE)
        mail = Path(d.top) / "sql-mail"
        mail.mkdir()
        for name in ("alice", "o'brien", "back\\slash"):
            box = mail / str(abs(hash(name)))
            Maildir(box, UID, UID).deliver("Subject: x\n\nx\n")
            d.sql.add(name, crypt.crypt("secret", "$6$rounds=1000$x"), mailbox=f"maildir:{box}", quota="10M", password=None)
        box = mail / "plain"
        Maildir(box, UID, UID).deliver("Subject: x\n\nx\n")
        d.sql.add("plain", "x", mailbox=f"maildir:{box}", quota="no number", password="typed one")
        d.sql.add("disabled", "!", mailbox=f"maildir:{box}", password=None)
        d.sql.add("nodir", "*", directory=None)
        d.virtual = d.user()
        d.start(extra=chains(d.sql))
        yield d


def test_users(world):
    """Right, wrong, unknown, disabled; whatever a name holds, it is a name."""
    for name in ("alice", "o'brien", "back\\slash"):
        assert try_login(world, name, "secret").startswith(OK), name
        assert try_login(world, name, "wrong").startswith(AUTH), name
    assert try_login(world, "plain", "typed one").startswith(OK)
    for name, password in (("plain", "x"), ("plain", "typed"), ("disabled", "!"), ("disabled", ""), ("nobody", "secret"), ("x'OR'1'='1", "secret"),
                           ("';drop/**/table/**/users;--", "x"), ("alice%", "secret"), ("alic_", "secret"), ("alice\\", "secret"), ("$user", "secret")):
        assert try_login(world, name, password).startswith(AUTH), name
    with world.connect() as c:
        c.ok(b"USER ali\xffce")
        assert c.cmd("PASS secret").startswith(AUTH)
    assert try_login(world, "nodir", "x").startswith(PERM)
    world.wait_log(r"SQL field `dir' \(`dir'\) has NULL value")
    assert try_login(world, "alice", "secret").startswith(OK)  # the table is still there
    with world.connect() as c:
        c.ok("USER alice")
        c.ok("PASS secret")
        assert c.stat()[0] == 1


def test_encryption(world):
    """What getpass gives: the password, a hash of it, or MySQL's."""
    hashed, scrambled = crypt.crypt("secret", "$6$rounds=1000$y"), "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"  # of `secret'
    world.sql.add("hashed", "x", mailbox=f"maildir:{world.top}/sql-mail/plain", password=hashed)
    world.sql.add("scrambled", "x", mailbox=f"maildir:{world.top}/sql-mail/plain", password=scrambled)
    for how, name, text in (("plain", "plain", "typed one"), ("hash", "hashed", "secret"), ("crypt", "hashed", "secret"),
                            ("scrambled", "scrambled", "secret")):
        reload(world, extra=chains(world.sql, f"password-encryption {how};"))
        assert try_login(world, name, text).startswith(OK), how
        assert try_login(world, name, "wrong").startswith(AUTH), how
        assert try_login(world, name, hashed).startswith(AUTH) and try_login(world, name, scrambled).startswith(AUTH), how


def test_field_map(world):
    reload(world, extra=chains(world.sql, 'field-map "name=who:passwd=hash"; getpwnam "select login as who, passwd as hash, uid, gid, gecos, dir, '
                                             'shell, mailbox from users where login=\'$user\'";'))
    assert try_login(world, "alice", "secret").startswith(OK)
    assert try_login(world, "alice", "wrong").startswith(AUTH)


def test_many(world):
    reload(world, extra=chains(world.sql))
    with ThreadPoolExecutor(64) as pool:
        got = list(pool.map(lambda n: try_login(world, "alice" if n % 2 else "nobody", "secret"), range(64)))
    assert all(g.startswith(b"+OK" if n % 2 else AUTH) or g.startswith(b"-ERR [IN-USE]") for n, g in enumerate(got)), got
    assert sum(g.startswith(AUTH) for g in got) == 32


def test_killed(world):
    """A server that is gone is temporary trouble, never a wrong password, and holds up nobody else; one that comes back is asked again."""
    if world.sql.kind == "sqlite":
        pytest.skip("there is no server")
    world.sql.run("kill")
    world.alarms_expected = True
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(try_login, world, "alice", "secret") for _ in range(8)]
        for _ in range(8):
            assert try_login(world, world.virtual.login, "secret").startswith(OK)
        assert [a.result().startswith(TEMP) or a.result() for a in asked] == [True] * 8
    world.sql.start()
    assert wait_for(lambda: try_login(world, "alice", "secret").startswith(OK), START_SECONDS)


def test_silent(world):
    """Somebody takes connections and says nothing."""
    if world.sql.kind == "sqlite":
        pytest.skip("there is no server")
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        reload(world, extra="auth { lookup-timeout 1; }\n" + chains(world.sql, f"port {port};"))
        assert try_login(world, world.virtual.login, "secret").startswith(OK)
        assert try_login(world, "alice", "secret").startswith(TEMP)
    reload(world, extra=chains(world.sql))
    assert wait_for(lambda: try_login(world, "alice", "secret").startswith(OK), START_SECONDS)


def test_inetd(daemon):
    """As a process of its own for each client."""
    server = Server("sqlite", Path(daemon.top) / "sql")
    server.start()
    server.run("sql", TABLE)
    Maildir(Path(daemon.top) / "box", UID, UID).deliver("Subject: x\n\nx\n")
    server.add("alice", crypt.crypt("secret", "$6$rounds=1000$x"), mailbox=f"maildir:{daemon.top}/box")
    inetd = Inetd(daemon, chains(server))
    for password, status in (("secret", OK), ("wrong", AUTH)):
        c, _ = inetd.client()
        c.ok("USER alice")
        assert c.cmd(f"PASS {password}").startswith(status)
        c.quit()
