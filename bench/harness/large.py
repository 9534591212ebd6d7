"""Acts with one user who has one large maildrop: few large messages, or very many small ones."""
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from . import acts, drops, maildrops, servers

DOMAIN = {"maildir": "cheap.test", "mbox": "mbox.test"}
MB = 1e6


def filler(drops_of: dict[str, drops.Drop]) -> Callable[[servers.Server, Path], None]:
    """user1 of each kind's domain has its drop; who knows system users only has the mbox; who knows nothing, one message."""
    def fill(server: servers.Server, directory: Path) -> None:
        if server.unpacked:
            acts.system_users(directory, 1, drops_of["mbox"])
        elif server.template:
            for kind, drop in drops_of.items():
                home = directory / "homes" / kind / "user1"
                drops.make_home(home, kind, drop, maildrops.OWNER)
                acts.write_domain(directory, DOMAIN[kind], iter([("user1", home, maildrops.OWNER)]))
        else:
            drops.make_wire(directory / "wire", next(iter(drops_of.values())))
    return fill


BIG_CASES = (  # title, kind, TLS, who
    ("Maildir", "maildir", "", ("poplar", "dovecot-tuned", "bare-sendfile", "bare-copy")),
    ("mbox", "mbox", "", ("poplar", "dovecot-tuned", "popa3d")),
    ("Maildir over TLS", "maildir", "full", ("poplar", "dovecot-tuned", "bare-copy")),
    ("mbox over TLS", "mbox", "full", ("poplar", "dovecot-tuned")),
)


def big(scene: acts.Scene) -> Iterator[dict]:
    drop = drops.Drop(3, 13_000, True) if scene.smoke else drops.Drop(50, 130_000, True)
    scene.own["@MESSAGES@"] = str(drop.messages)
    names = tuple(dict.fromkeys(n for case in BIG_CASES for n in case[3]))
    with scene.stage(names, filler({"maildir": drop, "mbox": drop})) as running:
        for domain in DOMAIN.values():
            scene.warm([r for r in running if not (r.server.unpacked and domain == DOMAIN["maildir"])], domain)
        for turn in range(scene.rounds):
            for title, kind, tls, who in BIG_CASES:
                for r in (r for r in running if r.server.name in who):
                    fact = scene.cost(r, title, turn, "retr", DOMAIN[kind], 1, "--sessions=1", tls=tls)
                    yield fact | per_octet(fact)


def per_octet(fact: dict) -> dict:
    octets = fact.get("octets_in", 0) / MB
    return {"mb_per_cpu_s": octets / max(fact["cpu_ms"] / 1000, 1e-9), "mb_per_s": octets / (fact.get("seconds") or 1e9)}


MANY_PEERS = {"mbox": ("poplar", "dovecot-tuned", "popa3d"), "maildir": ("poplar", "dovecot-tuned")}
TOO_LONG = {("popa3d", "one by one")}  # each reply waits for the acknowledgement of the one before, 40 ms
MANY_CASES = (  # title, load, more
    ("pipelined", "retr", ("--ahead=200", "--sessions=1")),
    ("one by one", "retr", ("--sessions=1",)),
    ("poll", "poll", ("--sessions=6",)),
    ("short poll", "short", ("--sessions=8",)),
    ("half deleted", "half", ("--ahead=200", "--sessions=2")),  # of all, and of those that are left
)



def many(scene: acts.Scene) -> Iterator[dict]:
    drop = drops.Drop(scene.size(100_000, 200), 4)
    for kind, who in MANY_PEERS.items():
        with scene.stage(who, filler({kind: drop})) as running:
            scene.warm(running, DOMAIN[kind])
            for title, load, more in MANY_CASES:
                for turn in range(1 if load == "half" else scene.rounds):
                    for r in (r for r in running if (r.server.name, title) not in TOO_LONG):
                        yield with_rates(scene.cost(r, f"{kind}, {title}", turn, load, DOMAIN[kind], 1, *more))


def with_rates(fact: dict) -> dict:
    """Messages per second of the time from the first RETR to the last message; both listings together."""
    more = {}
    sessions = max(fact["sessions"], 1)
    if fact.get("messages"):
        more["messages_per_s"] = fact["messages"] / sessions / (fact["RETR_ms"] / 1000)
        more["us_per_message"] = fact["cpu_ms"] * 1000 / (fact["messages"] / sessions)
    if "UIDL_ms" in fact:
        more["listings_ms"] = fact["UIDL_ms"] + fact["LIST_ms"]
    if "DELE_ms" in fact:
        more["half_ms"] = fact["DELE_ms"] + fact["QUIT_ms"]
    if "PASS_ms" in fact:
        more["open_ms"] = fact["PASS_ms"] + fact["STAT_ms"]
    return fact | more


MILLION_PEERS = {"mbox": ("poplar", "dovecot-tuned"), "maildir": ("poplar",)}
MILLION_ROOM, MILLION_FILES = 8 << 30, 1_100_000  # a block for each file of a Maildir, and some for indexes
MILLION_CASES = (("short poll", "short", 8, 2), ("poll", "poll", 1, 1))  # title, load, sessions of ours and of others


def has_room(scene: acts.Scene) -> bool:
    disk = os.statvfs(scene.base)
    if scene.smoke or (disk.f_bavail * disk.f_frsize > MILLION_ROOM and (disk.f_favail > MILLION_FILES or disk.f_files == 0)):
        return True
    scene.say(f"{scene.base}: no room for a million files")
    return False


def million(scene: acts.Scene) -> Iterator[dict]:
    drop = drops.Drop(scene.size(1_000_000, 1000), 1)
    for kind, who in MILLION_PEERS.items() if has_room(scene) else ():
        with scene.stage(who, filler({kind: drop})) as running:
            for r in running:
                yield with_rates(scene.cost(r, f"{kind}, no index", 0, "visit", DOMAIN[kind], 1, "--sessions=1"))
            scene.settle()
            scene.warm(running, DOMAIN[kind])
            for turn in range(scene.rounds):
                for title, load, ours, others in MILLION_CASES:
                    for r in running:
                        sessions = f"--sessions={ours if r.server.ours else others}"
                        yield with_rates(scene.cost(r, f"{kind}, {title}", turn, load, DOMAIN[kind], 1, sessions))


ACTS = (
    acts.Act("big", "Fetch of 50 messages of 10 MB", 3,
             "One client, one session at a time. The bare servers send the same file over and over: by sendfile, or by pread and write of "
             "128 KiB, and over TLS by OpenSSL's own writes. The client checks each octet, and so is often what limits MB per second.",
             (acts.Column("MB per server CPU second", "mb_per_cpu_s", True), acts.Column("MB per second", "mb_per_s", True),
              acts.Column("CPU ms per session", "cpu_ms"), acts.Column("errors", "errors")), big),
    acts.Act("many", "100,000 small messages", 5,
             "One client. Pipelined: at most 200 RETR wait for their replies. Half deleted: DELE of every second message, pipelined, and QUIT; "
             "then the same again with those that are left, of which the client knows what they must be.",
             (acts.Column("CPU ms per session", "cpu_ms"), acts.Column("messages per second", "messages_per_s", True),
              acts.Column("CPU µs per message", "us_per_message"), acts.Column("PASS and STAT, ms", "open_ms"),
              acts.Column("UIDL and LIST, ms", "listings_ms"), acts.Column("DELE and QUIT, ms", "half_ms"), acts.Column("errors", "errors")), many),
    acts.Act("million", "A maildrop of 1,000,000 messages", 9,
             "One client, messages of a line. No index: USER, PASS, STAT, LIST, UIDL, QUIT, for the first time, the page cache warm. Short poll: USER, PASS, "
             "STAT, QUIT.",
             (acts.Column("CPU ms per session", "cpu_ms"), acts.Column("PASS and STAT, ms", "open_ms"),
              acts.Column("UIDL and LIST, ms", "listings_ms"), acts.Column("errors", "errors")), million),
)
