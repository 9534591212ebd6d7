"""AUTH over TLS: exchanges that are bound to their connection."""

import base64
import hashlib
import hmac
import ssl

import pytest

from clients import Where, mpop
from sasl import BAD, MESSAGE, OPENED, GnuTls, Scrammed, b64, gsasl, offered, secrets

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PLUS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
REST = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]
OP_NO_EXTENDED_MASTER_SECRET = 1  # of OpenSSL; Python does not name it


def scram(c, hash, flag, name, password):
    """RFC 5802, with that gs2-cbind-flag, which GNU SASL's client cannot be told; the reply that ends it."""
    def mac(key, text):
        return hmac.new(key, text.encode(), hash).digest()

    bare = f"n={name},r=abcdefgh"
    reply = c.cmd(f"AUTH SCRAM-{ {'sha1': 'SHA-1', 'sha256': 'SHA-256'}[hash] } {b64(f'{flag},,{bare}')}")
    if not reply.startswith(b"+ "):
        return reply
    first = base64.b64decode(reply[2:]).decode()
    nonce, salt, count = (field[2:] for field in first.split(",", 2))
    salted = hashlib.pbkdf2_hmac(hash, password.encode(), base64.b64decode(salt), int(count))
    final = f"c={b64(f'{flag},,')},r={nonce}"
    key = mac(salted, "Client Key")
    proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.new(hash, key).digest(), f"{bare},{first},{final}")))
    reply = c.cmd(b64(f"{final},p={b64(proof)}"))
    return c.cmd("") if reply.startswith(b"+ ") else reply


@pytest.fixture
def world(daemon):
    """A daemon with TLS and a file of secrets, and a user who has mail."""
    daemon.first = daemon.user()
    daemon.first.deliver(MESSAGE)
    path = secrets(daemon, {daemon.first.login: "stored"})
    daemon.cert = daemon.certificate()
    daemon.start(extra=f'{daemon.cert.block}\nauth {{ failure-delay 0; }}\ngsasl {{ cram-passwd "{path}"; }}')
    return daemon


@pytest.mark.parametrize("version, binding", [("TLS1.3", "tls-exporter"), ("TLS1.2", "tls-unique")])
def test_bound(world, version, binding):
    """SCRAM-PLUS of GNU SASL over TLS of GnuTLS, which both know the connection by the same name as we; in one that names another it fails; a
    client that thinks that we do not know it is refused, as somebody may have taken it out of our list."""
    def as_is(c, **bound):
        return {binding.removeprefix("tls-"): c.bindings[binding], **bound}

    login, password = world.first.login, "stored"
    for mechanism in PLUS:
        with GnuTls(world, world.cert.chain, version) as c:
            assert offered(c) == PLUS + REST
            assert gsasl(c, mechanism, login, "no", **as_is(c)) == BAD
            assert gsasl(c, mechanism, login, password, **as_is(c)).startswith(OPENED), world.log()
            c.quit()
    with GnuTls(world, world.cert.chain, version) as c:
        other = b64(bytes(32 if version == "TLS1.3" else 12))
        for mechanism in PLUS:
            assert gsasl(c, mechanism, login, password, **{binding.removeprefix("tls-"): other}) == BAD
        for hash in ("sha256", "sha1"):
            assert scram(c, hash, "y", login, password) == BAD
        assert c.cmd(f"AUTH SCRAM-SHA-256-PLUS {b64(f'n,,n={login},r=abcdefgh')}") == BAD
        assert scram(c, "sha256", "n", login, password).startswith(OPENED)
        c.quit()
    log = world.log()
    assert log.count('reason="the client does not know that the exchange could be bound"') == 2, log


def test_never_without_tls(world):
    with world.connect() as c:
        assert offered(c) == REST
        assert c.cmd("AUTH SCRAM-SHA-256-PLUS") == b"-ERR Mechanism is not available here"
        assert scram(c, "sha256", "y", world.first.login, "stored").startswith(OPENED)  # and is right
        c.quit()


def test_names_of_connections(world):
    """TLS 1.2: a session that is resumed has a new name; without an extended master secret there is none."""
    context, session, seen = world.cert.context(V12), None, set()
    for _ in range(3):
        with world.connect() as c:
            c.stls(context, session)
            assert c.sock.session_reused == (session is not None)
            session = c.sock.session
            name = c.sock.get_channel_binding("tls-unique")
            seen.add(name)
            assert offered(c) == PLUS + REST
            assert gsasl(c, "SCRAM-SHA-256-PLUS", world.first.login, "stored", unique=b64(name)).startswith(OPENED)
            c.quit()
    assert len(seen) == 3
    context, session = world.cert.context(V12), None
    context.options |= OP_NO_EXTENDED_MASTER_SECRET
    for _ in range(2):
        with world.connect() as c:
            c.stls(context, session)
            assert c.sock.session_reused == (session is not None)
            session = c.sock.session
            assert offered(c) == REST
            assert c.cmd("AUTH SCRAM-SHA-1-PLUS") == b"-ERR Mechanism is not available here"
            assert scram(c, "sha256", "y", world.first.login, "stored").startswith(OPENED)
            c.quit()


@pytest.mark.parametrize("way", ["stls", "implicit"])
def test_mpop(world, way):
    """It knows SCRAM, and nothing of channel binding: it is not one that was misled."""
    world.restart(server="tls-mode connection;" if way == "implicit" else "", wait=False)
    world.wait_log("(?s)started.*started")
    for mechanism in ("scram-sha-256", "scram-sha-1"):
        where = Where(world.port, tls=way, ca=world.cert.chain, keep=True)
        place = world.top / f"{way}-{mechanism}"
        place.mkdir()
        assert b"Subject: a" in mpop(where, Scrammed(world.first.login, "stored"), place, auth=mechanism)
