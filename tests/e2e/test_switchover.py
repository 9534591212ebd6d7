"""Debian's Mailutils serves an installation: system users and a virtual domain, an mbox, a Maildir, an MH folder. Then pop3d takes its place, as
docs/from-mailutils.md says, whose commands are run as they stand there; then Mailutils again. Clients that leave their mail on the server
fetch nothing twice."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from server import BINARY
from switchover import DOMAIN, MAILUTILS, USERS
from system import Etc, hashed
from takeover import UNIT
from test_takeover import NAMESPACES

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.long,
    pytest.mark.skipif(not MAILUTILS.exists() or not UNIT.exists(), reason="needs mailutils-pop3d"),
]
CONF = """
auth { authorization virtdomain:system; authentication generic:system; }
virtdomain { passwd-dir /etc/domain; }
mode daemon;
server 127.0.0.1:110 { }
"""
# What Mailutils writes into messages, sends, and counts.
KEPT = re.compile(r"^(Status|X-UIDL|X-UID|X-IMAPbase|X-Expire-Timestamp): .*\r\n", re.M)


def make_world(top):
    top.mkdir()
    etc = Etc(top / "etc")
    etc.add("passwd", "nobody:x:65534:65534::/:/bin/false\n")
    (etc.path / "domain").mkdir()
    domain = ""
    for user in USERS:
        name = user.login.split("@")[0]
        if user.path.is_relative_to(DOMAIN):
            domain += f"{name}:{hashed(user.password)}:{user.uid}:{user.uid}::{user.path.parent}:/bin/false\n"
        else:
            etc.add("passwd", f"{name}:x:{user.uid}:{user.uid}::/home/{name}:/bin/sh\n")
            etc.add("shadow", f"{name}:{hashed(user.password)}:19000:0:99999:7:::\n")
    etc.write("domain/example.test", domain, 0o600)
    etc.write("mailutils.conf", CONF, 0o644)
    for user in USERS:
        (top / "mail" / user.path.relative_to("/var/mail")).parent.mkdir(parents=True, exist_ok=True)
    (top / "local/sbin").mkdir(parents=True)
    for program in ("pop3d", "popctl"):
        (top / "local/sbin" / program).symlink_to(BINARY.with_name(program))
    return top


def switch(tmp_path, *place):
    top = make_world(tmp_path / "world")
    script = Path(__file__).with_name("switchover.py")
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "LANG": "C.UTF-8"}
    run = subprocess.run([*NAMESPACES, "/usr/bin/python3", str(script), str(top), *map(str, place)], capture_output=True, text=True,
                         timeout=250, env=env, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def text(message):
    """Without what Mailutils adds; and that."""
    head, blank, body = message.partition("\r\n\r\n")
    kept = KEPT.sub("", head + "\r\n")
    return kept.removesuffix("\r\n") + blank + body, len(head) + 2 - len(kept)


def test_switchover(tmp_path, place):
    seen = switch(tmp_path, place)
    logins = [user.login for user in USERS]
    assert seen["check"] == ""
    assert seen["import"] == "3 messages, 3 ids found\n" * 3  # Maildirs and the MH folder
    # 4 came here, and has no id of Mailutils'.
    for stage, numbers in {"mailutils": [1, 2, 3], "poplar": [], "new mail": [4], "back": [4]}.items():
        fetched = {login: {client: sorted(got) for client, got in by.items()} for login, by in seen[stage]["fetched"].items()}
        assert fetched == {login: dict.fromkeys(("fetchmail", "mpop", "getmail"), numbers) for login in logins}, stage
    for login in logins:
        theirs, ours, new, back = (seen[stage]["seen"][login] for stage in ("mailutils", "poplar", "new mail", "back"))
        for n in "123":
            message, added = text(theirs["retr"][n])
            assert ours["retr"][n] == new["retr"][n] == message
            assert ours["list"][n] == new["list"][n] == len(message) == theirs["list"][n] - added
        assert ours["stat"] == [3, sum(ours["list"].values())]
        assert len(set(theirs["uidl"].values())) == 3 and ours["uidl"] == theirs["uidl"]
        assert {n: new["uidl"][n] for n in "123"} == theirs["uidl"] and len(new["uidl"]) == 4
        # 2 was deleted here.
        assert [back["uidl"][n] for n in "12"] == [theirs["uidl"][n] for n in "13"] and len(back["uidl"]) == 3
        assert [text(back["retr"][n])[0] for n in "123"] == [new["retr"][n] for n in "134"]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """What was seen of each: with Mailutils, with ours, with Mailutils again."""
    return switch(tmp_path_factory.mktemp("switchover"))


def test_expiry(features):
    """1 was fetched from Mailutils just now, 2 four days ago, 3 came when it was back."""
    for stage, (first, then) in zip(features["expiry"], [([1], [1]), ([1, 2], [1]), ([1, 3], [1, 3])]):
        stamps = stage.pop("stamps")
        assert stage == {user.login: [first, then] for user in USERS}
        assert stamps == [len(then)] * len(USERS)


def bulletins(stage):
    """{when: [the bulletins that each user has]}"""
    return {when: [[n for n in got if n > 100] for got in stage[when]] for when in stage if when != "records"}


def test_bulletins_in_home(features):
    """Who has had the first before gets each of the others once. `.popbull` has the number, whoever serves."""
    theirs, ours, back = features["bulletins in home"]
    one, two, three = [102], [102, 103], [102, 103, 104]
    assert bulletins(theirs) == {"first": [one] * 2, "again": [one] * 2}
    assert bulletins(ours) == {"first": [one] * 2, "new": [two] * 2, "again": [two] * 2}
    assert bulletins(back) == {"first": [two] * 2, "new": [three] * 2, "again": [three] * 2}
    assert [stage["records"] for stage in (theirs, ours, back)] == [["2\n"] * 2, ["3\n"] * 2, ["4\n"] * 2]


def test_bulletins_in_a_database(features):
    """The same; somebody who has never logged in before the switch gets all that there are. A virtual user's number is under his full name here, which
    Mailutils does not look for: on the way back he gets what came meanwhile once more."""
    theirs, ours, back = features["bulletins in a database"]
    two, three, four = [101, 102], [101, 102, 103], [101, 102, 103, 104]
    assert bulletins(theirs) == {"first": [two] * 2, "again": [two] * 2}
    assert bulletins(ours) == {"first": [two] * 2, "new": [three] * 3, "again": [three] * 2}
    once_more = [101, 102, 103, 103]
    assert bulletins(back) == {"first": [three, once_more], "new": [four, [*once_more, 104], four], "again": [four, [*once_more, 104]]}
    assert [set(stage["records"]) & {"bob 2", "bob 3", "bob 4"} for stage in (theirs, ours, back)] == [{"bob 2"}, {"bob 3"}, {"bob 4"}]


def test_delays(features):
    """One login in each interval: who has logged in with Mailutils is refused here, and the other way round."""
    late = "-ERR [LOGIN-DELAY] Attempt to log in within the minimum login delay interval"
    logins = [["+OK", late, "+OK"], [late, late, "+OK", late], [late, late, "+OK"]]
    assert [stage["logins"] for stage in features["delays"]] == logins


def test_apop(features):
    """The right digest, a wrong one, one of a user without a secret; a password, which is not for those who have a secret."""
    digests = ["+OK", "-ER", "-ER"]
    assert features["apop"] == [[*digests, "+OK"], [*digests, "-ERR [AUTH] Bad login"], [*digests, "+OK"]]
