"""GSSAPI: a ticket of a KDC that the test starts says who somebody is; clients that others wrote, and what strangers say."""

import base64
import contextlib
import itertools
import os
import pwd
import shutil

import pytest

from clients import call, secret_file
from kerberos import Realm, Speaker, exchange
from sasl import BAD, MESSAGE, OPENED, b64, gsasl, offered
from server import Daemon, own
from system import SystemDaemon
from test_inetd import Inetd
from test_run import reload

LIMIT = 6  # failures of an address, or of a user, until nobody gets in
SERVICE = "pop/localhost"
CROWD = [f"one{n}" for n in range(8)]
BROKEN = b"-ERR [SYS/PERM]"
sources = (f"127.0.{n >> 8}.{n & 255}" for n in itertools.count(0x0101))


def keys_of(daemon, realm, mode=0o600):
    """A keytab with the key of our service, in a directory of its own."""
    place = daemon.top / "keys"
    place.mkdir(exist_ok=True)
    own(place, daemon.uid, daemon.uid)
    return put_keys(daemon, place / "keytab", realm, mode)


def put_keys(daemon, path, realm, mode=0o600, more=("-norandkey",)):
    """The keys of these realms in the place of a keytab, as an operator would replace it."""
    new = path.with_name("new")
    new.unlink(missing_ok=True)
    for one in realm if isinstance(realm, list) else [realm]:
        one.keytab(new, SERVICE, more=more)
    new.chmod(mode)
    own(new, daemon.uid, daemon.uid)
    new.rename(path)
    return path


def conf(keytab, more=""):
    return (f"auth {{ failure-delay 0; penalty-most 30; penalty-exempt none; lockout-failures {LIMIT}; lockout-time 86400; }}\n"
            f'gsasl {{ keytab "{keytab}"; hostname localhost; principal-name full; {more} }}\n')


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    with contextlib.ExitStack() as ends:
        r = Realm(tmp_path_factory.mktemp("kerberos") / "realm")
        ends.callback(r.stop)
        r.users("bob", "eve", "bob/admin", "nobody", *CROWD)
        r.service(SERVICE)
        r.start()
        yield r


@pytest.fixture(scope="module")
def world(realm):
    """A daemon that serves over TLS, too. .bob: the environment of who has a ticket."""
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        d.cert = d.certificate()
        d.mail_of_bob, d.mail_of_eve = d.user(name="bob"), d.user(name="eve")
        for user in (d.mail_of_bob, d.mail_of_eve):
            user.deliver(MESSAGE)
        for name in CROWD:
            d.user(name=name, hash="x").deliver(MESSAGE)
        d.keytab, d.realm = keys_of(d, realm), realm
        d.start(extra=conf(d.keytab) + f"tls {{ ssl-certificate-file {d.cert.chain}; ssl-key-file {d.cert.key}; }}\n")
        d.bob, d.eve = realm.ticket("bob"), realm.ticket("eve")
        yield d


def fresh(daemon):
    """A connection from an address that nobody had before."""
    return daemon.connect(source=next(sources))


def test_clients(world):
    """GNU SASL, fetchmail, mpop and curl, without TLS and over it; curl with a token of several packets, as it hands its own ticket over."""
    login, env = world.mail_of_bob.login, {**world.bob, "FETCHMAILHOME": str(world.top)}
    for authzid in ("", login):
        with world.connect() as c:
            assert offered(c) == ["GSSAPI", "PLAIN", "LOGIN"]
            assert gsasl(c, "GSSAPI", "", "", "--service=pop", "--hostname=localhost", f"--authorization-id={authzid}", env=env).startswith(OPENED)
            assert c.retr(1) == MESSAGE.replace("\n", "\r\n").encode()
            c.quit()
    mbox = world.top / "mpop"
    call("mpop", "--host=localhost", f"--port={world.port}", f"--user={login}", "--auth=gssapi", "--tls=off", "--keep=on", f"--uidls-file={mbox}.uidls",
         f"--delivery=mbox,{mbox}", env=env)
    assert b"Subject: a" in mbox.read_bytes()
    mbox = world.top / "fetchmail"
    rc = secret_file(world.top / "fetchmailrc", f'poll localhost protocol pop3 port {world.port} auth gssapi username "{login}" password "none" '
                                                f'sslproto "" keep fetchall\nmda "/bin/cat >> {mbox}"\n')
    call("fetchmail", "-f", rc, "-i", f"{mbox}.ids", "--nodetach", "--nosyslog", "-N", "--pidfile", f"{mbox}.pid", env=env)
    assert b"Subject: a" in mbox.read_bytes()
    for more in ((), ("--delegation", "always")):
        assert b"Subject: a" in call("curl", "-sS", "--cacert", world.cert.ca.chain, "--ssl-reqd", "--login-options", "AUTH=GSSAPI", *more, "--user", f"{login}:",
                                     f"pop3://localhost:{world.port}/1", env=env), more
    assert world.log().count(f'login user="{login}"') >= 6 and "login-failed" not in world.log()


def test_who_is_refused(world, tmp_path):
    """Who wants to be somebody else, has a name with an instance, is not known here, or of another realm that has a key for us; what is wrong is counted."""
    login = world.mail_of_bob.login
    for authzid in (login, "eve", "EVE@example.test", "eve@EXAMPLE.TEST", "root", "nobody"):
        with fresh(world) as c:
            assert exchange(c, world.eve, authzid)[0] == BAD, authzid
    with fresh(world) as c:
        assert exchange(c, world.eve)[0].startswith(b"-ERR [SYS/TEMP] Too many wrong passwords")
    with fresh(world) as c:
        assert exchange(c, world.realm.ticket("bob/admin"), login)[0] == BAD
        assert exchange(c, world.realm.ticket("nobody"))[0] == BAD
    other = Realm(tmp_path / "other", "OTHER.TEST")
    try:
        other.users("bob")
        other.service(SERVICE)
        put_keys(world, world.keytab, [world.realm, other])
        other.start()
        with fresh(world) as c:
            for authzid in ("", login):
                assert exchange(c, other.ticket("bob"), authzid)[0] == BAD
            assert exchange(c, world.bob)[0].startswith(OPENED)
    finally:
        other.stop()
        put_keys(world, world.keytab, world.realm)
    for reason in (f'user="{world.mail_of_eve.login}" .*wants to act for another user', 'user="bob/admin@EXAMPLE.TEST" .*or with an instance',
                   'user="bob@OTHER.TEST" .*a principal of another realm', 'user="nobody@example.test" .*no such user'):
        world.wait_log(f"login-failed {reason}")


def test_tickets(world, tmp_path):
    """One that is out of its time, though the client does not know; one for another key; what was right is right again, and the auth processes are the same."""
    before = world.role_pids("pop3d-auth")
    late = world.realm.past("bob", SERVICE, hours=2)
    with fresh(world) as c:
        reply, said = exchange(c, late)
        assert reply == BAD and len(said) == 1
    stranger = Realm(tmp_path / "stranger")  # of the same name
    stranger.service(SERVICE)
    put_keys(world, world.keytab, stranger)
    with fresh(world) as c:
        assert exchange(c, world.bob)[0] == BAD
    world.keytab.unlink()
    with fresh(world) as c:
        assert exchange(c, world.bob)[0].startswith(BROKEN)
    put_keys(world, world.keytab, world.realm, mode=0o644)
    with fresh(world) as c:
        assert exchange(c, world.bob)[0].startswith(BROKEN)
        world.keytab.chmod(0o600)
        assert exchange(c, world.bob)[0].startswith(OPENED)
    world.wait_log("the ticket is not taken")
    world.wait_log(f"keytab {world.keytab}: No such file")
    world.wait_log(f'keytab {world.keytab} may be read or written by others .*"chmod 640 {world.keytab}" helps')
    world.realm.keytab(world.keytab, SERVICE)  # a new key beside the old one: both are good
    for renew in (False, True):
        if renew:
            world.realm.ticket("bob")
        with fresh(world) as c:
            assert exchange(c, world.bob)[0].startswith(OPENED)
    assert world.role_pids("pop3d-auth") == before


def test_what_strangers_say(world):
    """Garbage, pieces and other mechanisms in the place of each response; a token octet by octet; an exchange that was heard and is played again."""
    with fresh(world) as c:
        reply, (token, empty, last) = exchange(c, world.bob)
        assert reply.startswith(OPENED) and empty == ""
    octets = base64.b64decode(token)
    spnego = b"\x60\x1e\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x14\x30\x12\xa0\x10\x30\x0e\x06\x0c\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e\xa2\x00"
    for broken in (b"", b"\0", b"x" * 5000, octets[:1], octets[:20], octets[:-1], octets + b"\0", octets[:200] + bytes(len(octets) - 200), spnego,
                   octets[:14] + b"\x03" + octets[15:], octets[:15] + b"\x02" + octets[16:], octets[:-1] + bytes([octets[-1] ^ 1])):
        with fresh(world) as c:
            assert c.cmd(f"AUTH GSSAPI {b64(broken) or '='}") == BAD, broken
    for n in (1, 2):
        for broken in ("", b64("x"), b64(b"\0" * 60), last, b64(base64.b64decode(last)[:-1]), token):
            if broken or n == 2:  # an empty one is right in front of the last
                with fresh(world) as c:
                    reply, said = exchange(c, world.bob, change=lambda at, line: broken if at == n else line)
                    assert reply == BAD and len(said) == n + 1, (n, broken, said)
    with fresh(world) as c:
        assert c.cmd(f"AUTH GSSAPI {token}").startswith(b"+ ")
        assert c.cmd("").startswith(b"+ ")
        assert c.cmd(last) == BAD
        assert c.cmd("AUTH GSSAPI") == b"+ "
        assert c.cmd("*").startswith(b"-ERR")
    with fresh(world) as c, Speaker(world.bob) as client:
        assert c.cmd("AUTH GSSAPI") == b"+ "
        for octet in client.says() + "\r\n":
            c.send(octet)
        reply = c.line().decode()
        while reply.startswith("+ "):
            reply = c.cmd(client.hears(reply[2:])).decode()
        assert reply.startswith(OPENED.decode())
    world.wait_log("no token of Kerberos 5")
    call("curl", "-sS", "--login-options", "AUTH=GSSAPI", "--user", f"{world.mail_of_bob.login}:", f"pop3://localhost:{world.port}/1", code=(67,), env=world.bob)
    world.wait_log("without TLS the client must ask for our answer")


@pytest.mark.long
def test_many(world):
    """64 exchanges at once, each as far as the others; of each user the last step one behind the other, since a maildrop is opened once."""
    with contextlib.ExitStack() as ends:
        envs = [world.realm.ticket(name) for name in CROWD]
        pairs = [(ends.enter_context(world.connect()), ends.enter_context(Speaker(env))) for _ in range(8) for env in envs]
        for c, client in pairs:
            c.say(f"AUTH GSSAPI {client.says()}")
        for c, client in pairs:
            c.say(client.hears(c.line().decode().removeprefix("+ ")))
        last = [client.hears(c.line().decode().removeprefix("+ ")) for c, client in pairs]
        for n in range(0, 64, 8):
            for (c, _), line in zip(pairs[n:n + 8], last[n:n + 8]):
                c.say(line)
            for c, _ in pairs[n:n + 8]:
                assert c.line().startswith(OPENED)
                c.quit()


@pytest.mark.needs_root
def test_system_users(make_daemon, realm):
    """alice@REALM is alice. With `system' in the chain the keytab must be readable for our group, which the log says."""
    d = make_daemon(kind=SystemDaemon)
    shutil.copy("/etc/gssapi_mech.conf", d.etc.path)
    d.system_user("bob").deliver(MESSAGE)
    keytab = keys_of(d, realm)
    d.start(extra=f"auth {{ authorization clear:system; authentication clear:system; }}\ngsasl {{ keytab {keytab}; hostname localhost; realm EXAMPLE.TEST; }}")
    env = realm.ticket("bob")
    with d.connect() as c:
        assert exchange(c, env)[0].startswith(BROKEN)
    d.wait_log(f'keytab {keytab}: "chgrp _pop3auth {keytab}; chmod 640 {keytab}" helps')
    keytab.chmod(0o640)
    os.chown(keytab, 0, pwd.getpwnam("_pop3auth").pw_gid)
    for authzid in ("", "bob"):
        with d.connect() as c:
            assert exchange(c, env, "bob@example.test")[0] == BAD
            assert exchange(c, env, authzid)[0].startswith(OPENED)
            c.quit()


def test_unprivileged(unprivileged, realm):
    """Started by an ordinary user; and under a superserver, which starts auth when a client says AUTH."""
    d = unprivileged
    d.user(name="bob").deliver(MESSAGE)
    d.start(extra=conf(keys_of(d, realm)))
    env = realm.ticket("bob")
    with d.connect() as c:
        assert exchange(c, env)[0].startswith(OPENED)
        c.quit()
    d.stop()
    superserver = Inetd(d, d.extra)
    c, process = superserver.client()
    with c:
        assert exchange(c, env)[0].startswith(OPENED)
        c.quit()
    assert process.wait(30) == 0
    superserver.listener.close()


def test_what_is_wrong_is_told(make_daemon, realm):
    """At the start, by --config-lint and behind SIGHUP: the file, what helps, and the statement's place; without a keytab nothing is offered."""
    d = make_daemon()
    d.start(extra="auth { failure-delay 0; }")
    with d.connect() as c:
        assert "GSSAPI" not in offered(c)
        assert c.cmd("AUTH GSSAPI =") == b"-ERR Mechanism is not available"
    keytab = keys_of(d, realm)
    no_keys = d.top / "no-keys"
    no_keys.write_bytes(b"nothing")
    no_keys.chmod(0o600)
    for path, more, said in ((d.top / "none", "", "No such file or directory"), (no_keys, "", "is no file of keys"), (d.top, "", "is no file of keys"),
                             (keytab, "hostname elsewhere.test;", "has no AES key of pop/elsewhere.test: set hostname or realm"),
                             (keytab, "hostname localhost; realm OTHER.TEST;", "has no AES key of pop/localhost@OTHER.TEST"),
                             (keytab, "hostname localhost; service pop3;", "has no AES key of pop3/localhost")):
        reload(d, "configuration not reloaded", extra=f'gsasl {{ keytab "{path}"; {more} }}')
        line = 1 + d.config.read_text().splitlines().index(d.extra)
        lint = d.run("--config-lint")
        assert lint.returncode == 78 and f"{d.config}:{line}: keytab {path}" in lint.stderr and said in lint.stderr, lint
        assert f"{d.config}:{line}: keytab {path}" in d.log() and said in d.log()
    reload(d, extra=conf(keytab))
    with d.connect() as c:
        assert "GSSAPI" in offered(c)
    d.stop()
    d.extra = f"gsasl {{ keytab {d.top}/none; }}"
    d.write_config()
    assert d.run("--daemon", "--foreground").returncode == 78
