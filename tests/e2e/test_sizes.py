"""Sizes are the exact octets sent; a message's name stays the same for as long as it lives."""

import re

import pytest

HIDDEN = {b"x-uidl", b"x-expire-timestamp"}


def wire(stored):
    """What RETR must send, before dot-stuffing: an independent and slow version of mail/wire.c."""
    lines = stored.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    else:
        lines[-1] += b"\0end"  # a CR in front of no LF stays
    lines = [line[:-4] if line.endswith(b"\0end") else line[:-1] if line.endswith(b"\r") else line for line in lines]
    out, hidden, header = [], False, True
    for line in lines:
        if header and line == b"":
            header = False
        if header:
            if not line[:1] in (b" ", b"\t"):
                hidden = line.split(b":")[0].strip().lower() in HIDDEN and b":" in line
            if hidden:
                continue
        out.append(line + b"\r\n")
    return b"".join(out)


def top(message, n):
    """The first n lines of the body behind the header, of wire octets."""
    header, blank, body = message.partition(b"\r\n\r\n")
    if message.startswith(b"\r\n"):
        header, blank, body = b"", b"\r\n", message[2:]
    lines = re.findall(rb"[^\n]*\n", body)
    return header + blank + b"".join(lines[:n])


ODD = {
    "plain": b"Subject: a\n\nhello\n",
    "no final newline": b"Subject: a\n\nhello",
    "crlf": b"Subject: a\r\n\r\nhello\r\nworld\r\n",
    "mixed": b"Subject: a\r\n\nhello\nworld\r\n",
    "nul": b"Subject: a\n\nhe\0llo\n\0\n",
    "8-bit": "Subject: grüße\n\nÄpfel €\n".encode() + b"\xff\xfe\x80\n",
    "bare cr": b"Subject: a\n\nhe\rllo\r\rworld\n\r",
    "cr at the end": b"Subject: a\n\nhello\r",
    "cr cr lf": b"Subject: a\n\nhello\r\r\nx\n",
    "only header": b"Subject: a\nTo: b\n",
    "only header, no newline": b"Subject: a",
    "header and blank line": b"Subject: a\n\n",
    "empty": b"",
    "one newline": b"\n",
    "only body": b"\nbody\n",
    "blank lines": b"Subject: a\n\n\n\n\n",
    "dots": b"Subject: a\n\n.\n..\n...\n.x\nx.\n.\r\n\n.\n",
    "dot without newline": b"Subject: a\n\n.",
    "dots in the header": b".Subject: a\n.\n\n.\n",
    "hidden": b"X-UIDL: abc\nSubject: a\nx-expire-timestamp: 1\n 2\n\t3\nTo: b\n\nX-UIDL: stays\n",
    "hidden last": b"Subject: a\nX-UIDL: abc\n\nbody\n",
    "hidden without end": b"X-UIDL: abc",
    "nearly hidden": b"X-UIDLX: a\nX-UID: 1\nX-Expire-Timestamp2: a\nStatus: RO\nX-UIDL\n\nbody\n",
    "long line": b"Subject: a\n\n" + b"x" * 200000 + b"\n",
    "long header": b"Subject: " + b"y" * 100000 + b"\n\nbody\n",
    "many dots": b"Subject: a\n\n" + b".\n" * 20000,
    "big": b"Subject: a\n\n" + b"".join(b"%07d the quick brown fox jumps over the lazy dog\n" % i for i in range(96000)),
}


@pytest.fixture
def odd(daemon):
    user = daemon.user()
    for message in ODD.values():
        user.deliver(message)
    return daemon, user


def test_exact_octets(odd):
    """STAT, LIST and the RETR reply say what is sent, to the octet, in this session and the next."""
    daemon, user = odd
    for _ in range(2):
        c = daemon.login(user)
        sizes = c.list()
        assert c.stat() == (len(ODD), sum(sizes.values()))
        for n, (name, stored) in enumerate(ODD.items(), 1):
            reply = c.ok(f"RETR {n}")
            message = c.octets()
            assert message == wire(stored), name
            assert len(message) == sizes[n] and reply == b"+OK %d octets" % sizes[n], name
            assert c.ok(f"LIST {n}") == b"+OK %d %d" % (n, sizes[n])
        c.quit()


def test_sizes_do_not_change_within_a_session(odd):
    daemon, user = odd
    c = daemon.login(user)
    sizes, uids = c.list(), c.uidl()
    c.retr(2)
    user.deliver(b"Subject: late\n\nx\n")
    c.ok("DELE 3")
    c.ok("RSET")
    assert c.list() == sizes and c.uidl() == uids
    c.quit()


def test_top(odd):
    """n counts lines of the body; exactly one blank line ends the header; n may exceed the body."""
    daemon, user = odd
    c = daemon.login(user)
    for n, (name, stored) in enumerate(ODD.items(), 1):
        for lines in (0, 1, 2, 3, 1000, 4294967295):
            assert c.top(n, lines) == top(wire(stored), lines), (name, lines)
    c.quit()


def test_pipelined_fetch_of_everything(odd):
    """All RETRs in one write; every octet arrives, in order."""
    daemon, user = odd
    c = daemon.login(user)
    c.send(b"".join(b"RETR %d\r\n" % n for n in range(1, len(ODD) + 1)) + b"NOOP\r\n")
    for name, stored in ODD.items():
        assert c.line().startswith(b"+OK"), name
        assert c.octets() == wire(stored), name
    assert c.line().startswith(b"+OK")
    c.quit()


def uids_by_subject(c):
    uids = c.uidl()
    return {re.search(rb"Subject: (\S+)", c.top(n, 0))[1].decode(): uid for n, uid in uids.items()}


def test_uidl_stays(daemon):
    """Unique-ids survive restarts, deletions, deliveries, changes of flags, and the loss of the index."""
    user = daemon.user()
    for i in range(6):
        user.deliver(f"Subject: m{i}\n\nbody {i}\n", where="cur" if i % 2 else "new",
                     name=f"170000000{i}.M{i}P1.host" + (":2," if i % 2 else ""))
    c = daemon.login(user)
    first = uids_by_subject(c)
    assert len(set(first.values())) == 6
    assert all(re.fullmatch(r"[!-~]{1,70}", uid) for uid in first.values())
    c.quit()

    def now(expected):
        c = daemon.login(user)
        uids = uids_by_subject(c)
        assert {k: v for k, v in uids.items() if k in first} == {k: first[k] for k in expected}
        c.quit()
        return uids

    now(first)
    daemon.restart()
    now(first)
    c = daemon.login(user)
    c.ok("DELE 2")
    c.quit()
    left = [s for s in first if s != "m1"]
    now(left)
    user.deliver("Subject: late\n\nx\n", name="1600000000.M1P1.host")  # sorts in front of all others
    assert "late" in now(left)
    cur, new = user.inbox.path / "cur", user.inbox.path / "new"
    (new / "1700000000.M0P1.host").rename(cur / "1700000000.M0P1.host:2,S")
    (cur / "1700000003.M3P1.host:2,").rename(cur / "1700000003.M3P1.host:2,FRS")
    now(left)
    daemon.stop()
    for index in list(user.inbox.path.glob(".pop3*")) + list((daemon.top / "cache").rglob("*")):
        if index.is_file():
            index.unlink()
    daemon.start()
    now(left)


def test_identical_copies_have_their_own_names(daemon):
    user = daemon.user()
    for _ in range(5):
        user.deliver("Message-Id: <same@example.test>\n\nthe same\n")
    c = daemon.login(user)
    assert len(set(c.uidl().values())) == 5
    c.quit()


def test_sender_cannot_choose_a_uidl(daemon):
    user = daemon.user()
    user.deliver("Subject: a\nX-UIDL: chosen\n\nx\n")
    user.deliver("Subject: b\nX-UIDL: chosen\n\nx\n")
    c = daemon.login(user)
    uids = c.uidl()
    assert uids[1] != uids[2] and "chosen" not in uids.values()
    c.quit()


def test_size_in_the_name_is_checked(daemon):
    """,S= and ,W= of deliverers are hints; what was counted is what clients see."""
    user = daemon.user()
    message = b"Subject: a\n\nhello\n"
    for i, hint in enumerate([",S=18", ",S=18,W=21", ",S=1", ",S=99999999999999999999", ",W=1", ",S=-1", ",S="]):
        user.deliver(message, name=f"170000000{i}.M1P1.host{hint}", where="new")
        user.deliver(message, name=f"171000000{i}.M1P1.host{hint}:2,S", where="cur")
    c = daemon.login(user)
    assert set(c.list().values()) == {21} and c.stat() == (14, 14 * 21)
    for n in range(1, 15):
        assert c.retr(n) == wire(message)
    c.quit()


def test_odd_names(daemon):
    """Dot files, directories and tmp/ are no messages; strange names are."""
    user = daemon.user()
    path = user.inbox.path
    message = b"Subject: a\n\nhello\n"
    for name in ["x", "a b", "ü", "no-number:2,", "1.2.3:2,XYZ", "::2,", "a" * 240, "1700000000.M1P1.host:1,x", "-n", "'\""]:
        user.deliver(message, name=name, where="cur")
    user.deliver(message, name=".hidden")
    (path / "tmp" / "half").write_bytes(b"Subject: half\n\n")
    (path / "new" / "directory").mkdir()
    (path / "cur" / "link").symlink_to("/etc/passwd")
    c = daemon.login(user)
    count, _ = c.stat()
    messages = [c.retr(n) for n in range(1, count + 1)]
    assert not any(b"root:" in m or b"half" in m for m in messages)
    assert count == 10
    c.quit()
    assert (path / "tmp" / "half").exists()
