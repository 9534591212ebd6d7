"""EXTERNAL: a client's certificate says who it is."""

import ssl
import subprocess

import pytest

import certificates
from clients import call
from pop3 import Gone, Pop3
from sasl import BAD, MESSAGE, OPENED, b64, gsasl, offered
from server import own
from test_run import reload

PLAINTEXT = ["PLAIN", "LOGIN"]


def client(daemon, name, ca, subject="/CN=somebody", names=""):
    """A certificate with these alternative names, signed by `ca`."""
    cert = certificates.Certificate(daemon.top, name, ca)
    request = certificates.run(*certificates.NEW, "-subj", subject, "-keyout", cert.key, stdout=subprocess.PIPE).stdout
    extensions = daemon.top / f"{name}.ext"
    extensions.write_text("extendedKeyUsage=clientAuth\n" + (f"subjectAltName={names}\n" if names else ""), encoding="utf-8")
    certificates.run("openssl", "x509", "-req", "-CA", ca.chain, "-CAkey", ca.key, "-days", 30, "-extfile", extensions, "-out", cert.chain, input=request)
    return cert


@pytest.fixture
def world(daemon):
    """A daemon that is not started yet, with two users, and authorities for clients: one that it knows, and another."""
    daemon.first, daemon.other = daemon.user(), daemon.user()
    daemon.first.deliver(MESSAGE)
    daemon.cert, daemon.contexts = daemon.certificate(), {}
    daemon.ca, daemon.foreign = daemon.certificate("clients", is_ca=True), daemon.certificate("foreign", is_ca=True)
    daemon.mine = client(daemon, "mine", daemon.ca, names=f"email:{daemon.first.login},DNS:localhost")
    return daemon


def tls(daemon, more=""):
    return (f"auth {{ failure-delay 0; plaintext-login tls; }}\ntls {{ ssl-certificate-file {daemon.cert.chain}; ssl-key-file {daemon.cert.key}; "
            f"client-ca-file {daemon.ca.chain}; {more} }}\n")


def context(daemon, cert=None, version=None):
    """One for all connections: sessions belong to theirs."""
    if (cert, version) not in daemon.contexts:
        made = daemon.contexts[cert, version] = daemon.cert.context(version)
        if cert:
            made.load_cert_chain(cert.chain, cert.key)
    return daemon.contexts[cert, version]


def connect(daemon, cert=None, version=None, session=None):
    c = daemon.connect()
    c.stls(context(daemon, cert, version), session)
    return c


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_external(world, version):
    """Whom a certificate names need say no more, or his own name; it is offered to nobody else; a resumed session is as good."""
    world.start(extra=tls(world))
    with world.connect() as c:
        assert offered(c) == []
        assert c.cmd("AUTH EXTERNAL =") == b"-ERR Mechanism is not available here"
    session = None
    for line in ("AUTH EXTERNAL =", f"AUTH EXTERNAL {b64(world.first.login)}"):
        with connect(world, world.mine, version, session) as c:
            assert c.sock.session_reused == (session is not None)
            assert offered(c) == ["EXTERNAL", *PLAINTEXT]
            assert c.cmd(f"AUTH EXTERNAL {b64(world.other.login)}") == BAD
            assert c.cmd("AUTH EXTERNAL").startswith(b"+ ")
            assert c.cmd("*").startswith(b"-ERR")
            assert c.cmd(line).startswith(OPENED)
            c.retr(1)
            session = c.sock.session
            c.quit()
    with connect(world, world.mine, version) as c:
        assert gsasl(c, "EXTERNAL", "", "", f"--authorization-id={world.first.login}").startswith(OPENED)
        c.quit()
    assert b"Subject: a" in call("curl", "-sS", "--cacert", world.cert.ca.chain, "--ssl-reqd", "--cert", world.mine.chain, "--key", world.mine.key,
                                 "--login-options", "AUTH=EXTERNAL", "--user", f"{world.first.login}:", f"pop3://localhost:{world.port}/1")
    for cert in (None, client(world, "stranger", world.foreign, names=f"email:{world.first.login}"), client(world, "nameless", world.ca),
                 client(world, "twofold", world.ca, names=f"email:{world.first.login},email:{world.other.login}"),
                 client(world, "long", world.ca, names=f"email:{'a' * 300}@example.test")):
        with connect(world, cert, version) as c:
            assert offered(c) == PLAINTEXT, cert
            assert c.cmd(f"AUTH EXTERNAL {b64(world.first.login)}") == b"-ERR Mechanism is not available here"
            c.login(world.first)
            c.quit()
    with connect(world, client(world, "unknown", world.ca, names="email:nobody@example.test"), version) as c:
        assert c.cmd("AUTH EXTERNAL =") == BAD
    world.wait_log('reason="the certificate is another user.s"')


def test_common_name(world):
    world.start(extra=tls(world, "client-name cn;"))
    named = client(world, "named", world.ca, subject=f"/CN={world.first.login}")
    with connect(world, named) as c:
        assert c.cmd("AUTH EXTERNAL =").startswith(OPENED)
        c.quit()
    for name, subject in (("two", f"/CN={world.first.login}/CN={world.other.login}"), ("none", "/O=somebody")):
        with connect(world, client(world, name, world.ca, subject=subject)) as c:
            assert offered(c) == PLAINTEXT
    with connect(world, world.mine) as c:
        assert c.cmd("AUTH EXTERNAL =") == BAD  # of `somebody'


def test_required(world):
    """Without a certificate that we can verify there is no TLS; without authorities the statement is an error; `no' asks for none."""
    world.start(extra=tls(world, "client-certificate require;"), server="tls-mode connection;", wait=False)
    world.wait_log("started")

    def is_served(cert):
        try:
            with Pop3(world.address, tls=context(world, cert)) as c:
                return c.cmd("AUTH EXTERNAL =").startswith(OPENED)
        except (Gone, ssl.SSLError, OSError):
            return False

    assert is_served(world.mine)
    assert not is_served(None)
    assert not is_served(client(world, "stranger", world.foreign, names=f"email:{world.first.login}"))
    world.stop()
    world.server, world.extra = "", tls(world, "client-certificate require;").replace(f"client-ca-file {world.ca.chain};", "")
    world.write_config()
    got = world.run("--config-lint")
    assert got.returncode == 78 and "expected client-ca-file in section tls" in got.stdout + got.stderr
    world.start(extra=tls(world, "client-certificate no;"))
    with connect(world, world.mine) as c:
        assert offered(c) == PLAINTEXT


def test_authorities_change(world):
    """With the next configuration; a session of before is not resumed, as its ticket says that the certificate is fine."""
    world.start(extra=tls(world))
    with connect(world, world.mine) as c:
        c.cmd("NOOP")
        session = c.sock.session
        c.quit()
    world.ca.chain.write_bytes(world.foreign.chain.read_bytes())
    own(world.ca.chain, world.uid, world.uid)
    reload(world)
    with connect(world, world.mine, session=session) as c:
        assert not c.sock.session_reused
        assert offered(c) == PLAINTEXT
