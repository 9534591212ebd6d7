"""Users in a directory: a real slapd, with TLS and without, and what happens when it is slow, dies or comes back."""

import contextlib
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import START_SECONDS, Daemon, Maildir, wait_for
from test_auth import check_logins, try_login
from test_inetd import Inetd
from test_run import reload

pytestmark = pytest.mark.needs_root

SLAPD_UP = Path(__file__).parents[1] / "services/slapd-up"
AUTH, TEMP, PERM, OK = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"+OK"
UID = 20701
CHAINS = "auth { authorization (ldap, virtdomain); authentication (ldap, generic); failure-delay 0; }\n"

# Besides those that programs make.
SECRETS = {"locked": "{CRYPT}!$6$poplar$x", "bare": "secret", "x": "x", "odd": "{FOO}secret"}

ENTRY = """
dn: uid={name},dc=test
objectClass: account
objectClass: posixAccount
objectClass: popUser
uid: {name}
cn: {name}
uidNumber: {uid}
gidNumber: {uid}
homeDirectory: /nonexistent
mailboxPath: maildir:{box}
mailQuota: 10M
popNumber: 7
userPassword: {secret}
"""


class Slapd:
    def __init__(self, top, box, more=()):
        self.top, self.ports = Path(top), []
        self.top.mkdir()
        ssha = subprocess.run(["/usr/sbin/slappasswd", "-h", "{SSHA}", "-s", "secret"], capture_output=True, text=True, check=True).stdout.strip()
        crypted = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True).stdout.strip()
        self.secrets = {**SECRETS, **dict(more), "alice": ssha, "crypt": "{CRYPT}" + crypted}
        (self.top / "users.ldif").write_text("".join(ENTRY.format(name=name, uid=UID, box=box, secret=secret)
                                                     for name, secret in self.secrets.items()), encoding="ascii")
        self.start()
        for readable in (self.top / "ca", self.top / "ca/ca.pem", self.top / "ca/other.pem"):
            readable.chmod(0o755)

    def start(self):
        self.ports = subprocess.run([SLAPD_UP, self.top, *self.ports], check=True, capture_output=True, text=True, timeout=60).stdout.split()

    def kill(self):
        pid = int((self.top / "pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii"))

    def url(self, scheme="ldap", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.ports[scheme == 'ldaps']}"


def extra(d, more="", url=None, auth=""):
    field_map = "name=uid:passwd=userPassword:uid=uidNumber:gid=gidNumber:dir=homeDirectory:mailbox=mailboxPath:quota=mailQuota"
    return f"""{CHAINS}{auth}
ldap {{ url "{url or d.ldap.url()}"; base "dc=test"; binddn "cn=reader,dc=test"; passwd readerpw; field-map "{field_map}"; {more} }}
"""


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        box = Path(d.top) / "box"
        Maildir(box, UID, UID).deliver("Subject: x\n\nx\n")
        d.ldap = Slapd(Path(d.top) / "slapd", box)
        ends.callback(d.ldap.kill)
        d.virtual = d.user()
        d.alarms_expected = True
        d.start(extra=extra(d))
        yield d


def works(world):
    return wait_for(lambda: try_login(world, "alice", "secret").startswith(OK), START_SECONDS)


def test_users(world):
    """Right, wrong, unknown, locked; whatever a name holds is no filter, and what is stored is no password."""
    check_logins(world, [
        ("alice", "secret", OK, 'source="ldap"'),
        ("crypt", "secret", OK, 'source="ldap"'),
        ("alice", "Secret", AUTH, "wrong password"),
        ("alice", world.ldap.secrets["alice"], AUTH, "wrong password"),
        ("crypt", world.ldap.secrets["crypt"], AUTH, "wrong password"),
        ("locked", "secret", AUTH, "the stored password is empty or locked"),
        ("locked", SECRETS["locked"], AUTH, "[AUTH]"),
        ("x", "x", AUTH, "[AUTH]"),
        ("bare", "secret", AUTH, "the stored password has no scheme"),
        ("odd", "secret", AUTH, "Unsupported password algorithm scheme: FOO"),
        ("nobody", "secret", AUTH, "no such user"),
        ("*", "secret", AUTH, "no such user"),
        ("a*", "secret", AUTH, "no such user"),
        ("l*)(uid=alice", "secret", AUTH, "no such user"),
        ("alice)(objectClass=*", "secret", AUTH, "no such user"),
        ("\\61lice", "secret", AUTH, "no such user"),
    ])
    with world.connect() as c:
        c.ok(b"USER ali\xffce")
        assert c.cmd("PASS secret").startswith(AUTH)
    with world.connect() as c:
        c.ok("USER alice")
        c.ok("PASS secret")
        assert c.stat()[0] == 1


def test_plain_passwords(world):
    reload(world, extra=extra(world, "plain-passwords yes;"))
    assert try_login(world, "bare", "secret").startswith(OK)
    assert try_login(world, "x", "x").startswith(AUTH) and try_login(world, "bare", "Secret").startswith(AUTH)


def test_bind(world):
    """The directory says who is right."""
    reload(world, extra=extra(world, "auth-bind yes;"))
    assert try_login(world, "bare", "secret").startswith(OK) and try_login(world, "alice", "secret").startswith(OK)
    for name, password in (("alice", "wrong"), ("alice", ""), ("locked", "secret"), ("nobody", "secret")):
        assert try_login(world, name, password).startswith(AUTH), (name, password)


def test_debug(world):
    """What the library says is in the log, and passwords are not, whatever bits are on."""
    before = len(world.log())
    reload(world, extra=extra(world, "auth-bind yes; debug 65535;"))
    assert try_login(world, "alice", "secret").startswith(OK)
    world.wait_log(r"debug: ldap_\w+")
    assert "secret" not in world.log()[before:] and "readerpw" not in world.log()[before:]


def test_cache(world):
    """The directory is asked each time, but where `cache' says so; then, too, a changed password counts at once."""
    def change(password):
        subprocess.run(["ldapmodify", "-x", "-H", world.ldap.url(), "-D", "cn=admin,dc=test", "-w", "adminpw"], check=True, capture_output=True, text=True,
                       input=f"dn: uid=bare,dc=test\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n", env={**os.environ, "LDAPNOINIT": "1"})
    for cache, old in (("no", AUTH), ("yes", OK)):
        reload(world, extra=extra(world, f"auth-bind yes; cache {cache};"))
        assert try_login(world, "bare", "secret").startswith(OK) and try_login(world, "bare", "changed").startswith(AUTH)
        change("changed")
        try:
            assert try_login(world, "bare", "changed").startswith(OK) and try_login(world, "bare", "secret").startswith(old)
        finally:
            change("secret")


def test_map_and_filter(world):
    """Users by another attribute; an entry without what is needed is the operator's business."""
    reload(world, extra=extra(world, 'getpwnam "(&(objectClass=popUser) (cn=$user))";'))
    assert try_login(world, "alice", "secret").startswith(OK)
    reload(world, extra=extra(world, 'field-map "name=uid:passwd=userPassword:uid=uidNumber:gid=gidNumber:dir=gecos";'))
    assert try_login(world, "alice", "secret").startswith(PERM)
    world.wait_log(r"LDAP field `dir' \(`gecos'\) has NULL value")


@pytest.mark.parametrize("scheme, more", [("ldaps", ""), ("ldap", "tls yes;")])
def test_tls(world, scheme, more):
    """The certificate and the name in it must be right; else nobody is asked."""
    ca, other = world.ldap.top / "ca/ca.pem", world.ldap.top / "ca/other.pem"
    for statements, host, good in ((f"ca-file {ca};", "127.0.0.1", True), (f"ca-file {other};", "127.0.0.1", False), ("", "127.0.0.1", False),
                                   (f"ca-file {ca};", "127.0.0.2", False), ("verify-server no;", "127.0.0.1", True)):
        reload(world, extra=extra(world, more + statements, world.ldap.url(scheme, host)))
        got = try_login(world, "alice", "secret")
        assert got.startswith(OK) if good else got.startswith((TEMP, PERM)), (statements, host, got)
        assert try_login(world, world.virtual.login, "secret").startswith(OK)


def test_who_asks(world):
    """A wrong password of `binddn', or a base that is not there, is the operator's business."""
    for more in ("passwd wrong;", 'binddn "cn=nobody,dc=test";', 'base "dc=elsewhere";'):
        reload(world, extra=extra(world, more))
        assert try_login(world, "alice", "secret").startswith((PERM, TEMP)), more


def test_not_enabled(world):
    reload(world, extra=extra(world, "enable no;"))
    assert try_login(world, "alice", "secret").startswith(AUTH)
    assert not world.role_pids("pop3d-ldap")


def test_many(world):
    reload(world, extra=extra(world))
    with ThreadPoolExecutor(64) as pool:
        got = list(pool.map(lambda n: try_login(world, "alice" if n % 2 else "nobody", "secret"), range(64)))
    assert all(g.startswith((OK, b"-ERR [IN-USE]") if n % 2 else AUTH) for n, g in enumerate(got)), got


def test_fail_over(world):
    """The first server of two is not there."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        nobody = s.getsockname()[1]
    reload(world, extra=extra(world, "", f"ldap://127.0.0.1:{nobody} {world.ldap.url()}"))
    assert try_login(world, "alice", "secret").startswith(OK)


def test_killed(world):
    """Temporary trouble, never a wrong password, and it holds up nobody else; when it is back it is asked again."""
    reload(world, extra=extra(world))
    assert works(world)
    world.ldap.kill()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(try_login, world, "alice", "secret") for _ in range(8)]
        for _ in range(8):
            assert try_login(world, world.virtual.login, "secret").startswith(OK)
        assert [a.result().startswith(TEMP) or a.result() for a in asked] == [True] * 8
    world.ldap.start()
    assert works(world)


def test_silent(world):
    """Somebody takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        reload(world, extra=extra(world, "", f"ldap://127.0.0.1:{s.getsockname()[1]}", "auth { lookup-timeout 1; }\n"))
        assert try_login(world, "alice", "secret").startswith(TEMP)
        assert try_login(world, world.virtual.login, "secret").startswith(OK)
    reload(world, extra=extra(world))
    assert works(world)


def test_inetd(world, daemon):
    inetd = Inetd(daemon, extra(world))
    for password, status in (("secret", OK), ("wrong", AUTH)):
        c, _ = inetd.client()
        c.ok("USER alice")
        assert c.cmd(f"PASS {password}").startswith(status)
        c.quit()
