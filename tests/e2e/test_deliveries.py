"""Real clients fetch and delete what real deliverers store at the same time, in the clear and over TLS, from Maildirs and from
mboxes: nothing is lost, nothing comes twice, and nothing that a client stores is half a message."""

import os
import re
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from clients import NOBODY, ALL, Where, getmail
from deliverers import Postfix, Procmail, paced
from server import Maildir, Mbox

ROUNDS = 2 if os.environ.get("POP3D_LONG") else 1
EACH = {"postfix": 8, "procmail": 3}  # messages of a round
NUMBER = re.compile(rb"^X-Number: (\S+)\r?$", re.M)
LAST = re.compile(rb"^the end of (\S+)\r?$", re.M)

pytestmark = pytest.mark.needs_root


def message(name):
    body = "From the start\n>From quoted\n.\n..dots\n\n" + "a line\n" * (len(name) * 7 % 40)
    return (f"From: Sender <sender@example.test>\nTo: you\nSubject: {name}\nDate: Mon, 5 Jan 2026 10:01:00 +0000\n"
            f"Message-Id: <{name}@example.test>\nX-Number: {name}\n\n{body}the end of {name}\n").encode()


class Deliveries(threading.Thread):
    """What Postfix and a procmail store in one round. join() raises what went wrong."""

    def __init__(self, postfix, procmail, turn):
        super().__init__(daemon=True)
        self.postfix, self.procmail, self.error = postfix, procmail, None
        self.names = {who: [f"{who}-{turn}-{n}" for n in range(many)] for who, many in EACH.items()}
        self.start()

    def run(self):
        try:
            self.postfix.send(self.procmail.user, (message(n) for n in paced(self.names["postfix"])))
            self.procmail.send(message(n) for n in paced(self.names["procmail"]))
        except Exception as e:  # a thread's exception would be lost
            self.error = e

    def join(self, timeout=None):
        super().join(timeout)
        if self.error:
            raise self.error


@pytest.fixture
def place():
    place = Path(tempfile.mkdtemp(prefix="pop3d-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def postfixes():
    made = []
    yield made
    for p in made:
        p.stop()


WAYS = ("implicit", "", "stls")
# One way of each client, and all of them at night.
COMBINATIONS = [pytest.param(c, tls, marks=[] if i == n % 3 else pytest.mark.nightly) for n, c in enumerate(ALL)
                for i, tls in enumerate(WAYS) if not (c is getmail and tls == "stls")]


def name_of(value):
    return getattr(value, "__name__", value) or "clear"


class Fetched:
    """What a client got of a maildrop, and what was delivered there."""

    def __init__(self, user, place, postfix):
        self.user, self.postfix, self.procmail = user, postfix, Procmail(place / f"procmail-{user.name}", user)
        self.place = place / f"client-{user.name}"
        self.place.mkdir()
        self.got, self.names = b"", []

    def begin(self, turn):
        deliveries = Deliveries(self.postfix, self.procmail, turn)
        self.names += [n for names in deliveries.names.values() for n in names]
        return deliveries

    def fetch(self, client, where):
        self.got += client(where, self.user, self.place)

    def check(self):
        assert sorted(n.decode() for n in NUMBER.findall(self.got)) == sorted(self.names)
        assert sorted(n.decode() for n in LAST.findall(self.got)) == sorted(self.names)
        assert self.user.inbox.contents() == []


@pytest.mark.parametrize("client, tls", COMBINATIONS, ids=name_of)
def test_deliveries_and_a_client(daemon, place, postfixes, client, tls):
    users = [daemon.user(kind.__name__.lower(), uid=NOBODY, kind=kind) for kind in (Maildir, Mbox)]
    postfixes.append(Postfix(place / "postfix", users))
    cert = daemon.certificate("localhost")
    daemon.tls = cert.context() if tls == "implicit" else None
    # Into an empty mbox procmail writes one octet, and holds the locks for a second before it goes on.
    daemon.start(server=f"tls-mode {'connection' if tls == 'implicit' else 'ondemand'}; {cert.block}",
                 extra="locking { retry-count 60; }")
    where = Where(daemon.port, tls, str(cert.ca.chain))
    fetched = [Fetched(u, place, postfixes[0]) for u in users]
    for turn in range(ROUNDS):
        deliveries = [f.begin(turn) for f in fetched]
        while any(d.is_alive() for d in deliveries) or not postfixes[0].is_idle():
            for f in fetched:
                f.fetch(client, where)
        for d in deliveries:
            d.join()
    for f in fetched:
        f.fetch(client, where)
        f.check()
