"""Mechanisms that need a stored password, with users whose password is in the chain: a file of a virtual domain, a data base, a directory."""

import contextlib
from pathlib import Path

import pytest

from sasl import BAD, MESSAGE, OPENED, Scrammed, gsasl, offered, scram_challenge, verifier
from server import Daemon, Maildir
from test_ldap import UID, Slapd
from test_ldap import extra as ldap_extra
from test_sql import QUERIES, TABLE, Server

pytestmark = [pytest.mark.needs_root, pytest.mark.long]

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"]
CHAINS = "auth { penalty no; authorization clear; authorization (virtdomain, sql, ldap); authentication clear; authentication (generic, sql, ldap); }\n"
CLEAR = {"in-file": "{PLAIN}clear", "in-sql": "clear", "in-ldap": "{CLEARTEXT}clear"}


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        box = Path(d.top) / "box"
        Maildir(box, UID, UID).deliver(MESSAGE)
        made = {"file": verifier("made"), "sql": verifier("made"), "ldap": verifier("made", "SHA-1")}
        d.ldap = Slapd(Path(d.top) / "slapd", box, {"in-ldap": CLEAR["in-ldap"], "made-ldap": made["ldap"]})
        ends.callback(d.ldap.kill)
        d.sql = Server("sqlite", Path(d.top) / "sql")
        d.sql.start()
        ends.callback(d.sql.run, "stop")
        d.sql.run("sql", TABLE)
        for name, password in (("in-sql", "clear"), ("made-sql", made["sql"]), ("refused", "!")):
            d.sql.add(name, "x", uid=UID, mailbox=f"maildir:{box}", password=password)
        d.first, d.made, d.hashed = d.user(hash=CLEAR["in-file"]), d.user(hash=made["file"]), d.user()
        for user in (d.first, d.made, d.hashed):
            user.deliver(MESSAGE)
        d.alarms_expected = True
        d.start(extra=f"{ldap_extra(d)}{CHAINS}sql {{ {d.sql.conf()} {QUERIES} }}\ngsasl {{ stored-passwords yes; scram-iterations 5000; }}")
        yield d


def test_chain(world):
    """Passwords in the clear serve all, what is made of one serves its own SCRAM, hashes serve none; PASS takes them all."""
    rows = [(world.first.login, "clear", MECHANISMS), ("in-sql", "clear", MECHANISMS), ("in-ldap", "clear", MECHANISMS),
            (world.made.login, "made", MECHANISMS[:1]), ("made-sql", "made", MECHANISMS[:1]), ("made-ldap", "made", MECHANISMS[1:2]),
            (world.hashed.login, "secret", []), ("alice", "secret", []), ("refused", "!", []), ("nobody", "secret", []), ("bare", "secret", [])]
    for login, password, good in rows:
        with world.connect() as c:
            assert offered(c) == [*MECHANISMS, "PLAIN", "LOGIN"]
            for mechanism in MECHANISMS:
                assert gsasl(c, mechanism, login, "no") == BAD, (login, mechanism)
                if mechanism in good:
                    with world.connect() as other:
                        assert gsasl(other, mechanism, login, password).startswith(OPENED), (login, mechanism, world.log())
                        other.quit()
                else:
                    assert gsasl(c, mechanism, login, password) == BAD, (login, mechanism)
        if password != "!" and login not in ("nobody", "bare"):
            world.login(Scrammed(login, password)).quit()
    log = world.log()
    assert 'source="sql"' in log and 'source="ldap"' in log and 'source="virtdomain"' in log
    assert "clear" not in log.replace("authorization clear", "").replace("{CLEARTEXT}", ""), "a secret in the log"


def test_iterations(world):
    """Who has a password alone, or a hash, or is not there, has a salt of the same kind, each time the same one."""
    names = [world.first.login, "in-sql", "in-ldap", world.hashed.login, "alice", "nobody", "nobody@example.test"]
    seen = {name: {scram_challenge(c, name) for c in (world.connect(), world.connect())} for name in names}
    assert all(len(of) == 1 for of in seen.values()), seen
    assert {(n, count) for of in seen.values() for n, _, count in of} == {(16, "i=5000")}
    assert len({salt for of in seen.values() for _, salt, _ in of}) == len(names)


def test_who_must_be_in_the_chain(world):
    """A secret counts only where passwords are checked against it; a user who may not log in proves what he likes; without the statement
    nothing is offered."""
    world.restart(extra=f"{world.extra}auth {{ authentication clear; authentication generic; }}\n")
    with world.connect() as c:
        assert gsasl(c, "SCRAM-SHA-256", "in-sql", "clear") == BAD
        assert gsasl(c, "SCRAM-SHA-256", world.first.login, "clear").startswith(OPENED)
        c.quit()
    world.restart(extra=world.extra.replace("stored-passwords yes;", "stored-passwords no;"))
    with world.connect() as c:
        assert offered(c) == ["PLAIN", "LOGIN"]


def test_killed(world):
    """A directory that is not there is no wrong password."""
    world.restart(extra=world.extra.replace("stored-passwords no;", "stored-passwords yes;").replace("authentication clear; authentication generic;", ""))
    world.ldap.kill()
    try:
        with world.connect() as c:
            reply = gsasl(c, "SCRAM-SHA-256", "in-ldap", "clear")
            assert reply.startswith(b"-ERR [SYS/TEMP]"), reply
            assert gsasl(c, "CRAM-MD5", "in-ldap", "clear").startswith(b"-ERR [SYS/TEMP]")
            assert gsasl(c, "SCRAM-SHA-256", "in-sql", "clear").startswith(OPENED)
            c.quit()
    finally:
        world.ldap.start()
