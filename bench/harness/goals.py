"""What was aimed at, a row each: the figure, beside whom, the ratio, and whether it is met. A row without figures is left out."""
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from .tables import ended, number, ratios, select, table

OURS, DOVECOT = "poplar", "dovecot-tuned"


@dataclass(frozen=True)
class Row:
    what: str
    goal: str
    unit: str
    kind: str  # of facts
    facts: dict  # that they have
    key: str
    met: Callable[[float], bool]  # of the ratio where there is a peer, else of the figure
    peer: str = ""
    peer_facts: dict | None = None  # where the peer is measured otherwise than we are


def poll(scenario: str, clients: int) -> dict:
    return {"scenario": scenario, "clients": clients}


def case(act: str, name: str) -> dict:
    return {"act": act, "case": name}


def at_most(limit: float) -> Callable[[float], bool]:
    return lambda value: value <= limit


def at_least(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


CPU = "server CPU per session"
ROWS = (
    Row(f"poll, Maildir, 16 clients: {CPU}", "1/10", "ms", "runs", poll("poll", 16), "cpu_ms", at_most(0.1), DOVECOT),
    Row(f"poll, mbox, 16 clients: {CPU}", "1/10", "ms", "runs", poll("poll-mbox", 16), "cpu_ms", at_most(0.1), DOVECOT),
    Row("poll, Maildir, 16 clients: sessions per second", "5 times", "/s", "runs", poll("poll", 16), "rate", at_least(5), DOVECOT),
    Row("poll, mbox, 16 clients: sessions per second", "5 times", "/s", "runs", poll("poll-mbox", 16), "rate", at_least(5), DOVECOT),
    Row("poll, 1 client: median", "0.6 ms", "ms", "runs", poll("poll", 1), "median_ms", at_most(0.6)),
    Row(f"poll over TLS, ECDSA, full handshakes: {CPU}", "1/5", "ms", "runs", poll("poll-tls", 16), "cpu_ms", at_most(0.2), DOVECOT),
    Row("resumed handshakes that succeed", "all", "of all", "runs", poll("poll-tls-resumed", 16), "resumed_share", at_least(1)),
    Row("10 MB messages, Maildir: MB per server CPU second", "3 times", "MB/s", "acts", case("big", "Maildir"), "mb_per_cpu_s", at_least(3), DOVECOT),
    Row("10 MB messages, mbox: MB per server CPU second", "3 times", "MB/s", "acts", case("big", "mbox"), "mb_per_cpu_s", at_least(3), DOVECOT),
    Row("10 MB messages over TLS, Maildir", "8 times", "MB/s", "acts", case("big", "Maildir over TLS"), "mb_per_cpu_s", at_least(8), DOVECOT),
    Row("10 MB messages over TLS, mbox", "8 times", "MB/s", "acts", case("big", "mbox over TLS"), "mb_per_cpu_s", at_least(8), DOVECOT),
    Row("100,000 messages pipelined, mbox: messages per second", "4 times", "/s", "acts", case("many", "mbox, pipelined"), "messages_per_s",
        at_least(4), "popa3d"),
    Row("100,000 messages one by one, mbox: messages per second", "3 times", "/s", "acts", case("many", "mbox, one by one"), "messages_per_s",
        at_least(3), DOVECOT),
    Row("UIDL and LIST of 100,000, mbox", "20 ms", "ms", "acts", case("many", "mbox, poll"), "listings_ms", at_most(20)),
    Row("UIDL and LIST of 100,000, Maildir", "20 ms", "ms", "acts", case("many", "maildir, poll"), "listings_ms", at_most(20)),
    Row("opening, 100,000 messages in an mbox, unchanged", "2 ms", "ms", "acts", case("many", "mbox, short poll"), "open_ms", at_most(2)),
    Row("opening, 100,000 messages in a Maildir, unchanged", "2 ms", "ms", "acts", case("many", "maildir, short poll"), "open_ms", at_most(2)),
    Row("opening, 1,000,000 messages in an mbox, unchanged", "2 ms", "ms", "acts", case("million", "mbox, short poll"), "open_ms", at_most(2)),
    Row("opening, 1,000,000 messages in a Maildir, unchanged", "2 ms", "ms", "acts", case("million", "maildir, short poll"), "open_ms", at_most(2)),
    Row("idle connection before login (1,000)", "4 KiB", "KiB", "idle", {"stage": "greeted"}, "pss_kib", at_most(4)),
    Row("idle connection after login (1,000)", "12 KiB", "KiB", "idle", {"stage": "idle"}, "pss_kib", at_most(12)),
    Row("idle connection over TLS after login (1,000)", "28 KiB", "KiB", "idle", {"stage": "tls-idle"}, "pss_kib", at_most(28)),
    Row("10,000 connections at once, one owner: CPU per session, beside 16 clients", "1.5 times", "ms", "acts", case("crowd", "10000 clients"),
        "cpu_ms", at_most(1.5), OURS, case("crowd", "16 clients")),
    Row(f"2,000 system users, workers cold: {CPU}", "1.5 ms", "ms", "acts", case("system", "processes cold"), "cpu_ms", at_most(1.5)),
    Row("memory of an idle worker", "200 KiB", "KiB", "acts", case("system", "processes cold, all is fetched"), "worker_kib", at_most(200)),
    Row("workers that 2,000 idle sessions of as many users keep", "none", "", "acts", case("system", "all logged in and idle"), "workers", at_most(0)),
)
TITLE = {DOVECOT: "Dovecot", "popa3d": "popa3d", OURS: "itself"}


def with_shares(facts: list[dict]) -> list[dict]:
    """A place's first session has nothing to resume."""
    offered = [(f, f.get("handshakes", 0) - f["clients"] if "clients" in f else 0) for f in facts]
    return [f | {"resumed_share": f["resumed"] / n} if n > 0 else f for f, n in offered]


def judged(facts: dict, row: Row) -> list[str] | None:
    figures = ended([f for f in facts[row.kind] if all(f.get(k) == v for k, v in row.facts.items()) and f["server"] == OURS])
    figures = with_shares(figures)
    values = [f[row.key] for f in figures if f.get(row.key) is not None]
    if not values:
        return None
    own, beside, ratio, judge = f"{number(median(values))} {row.unit}", "", "", median(values)
    if row.peer:
        of = [f for f in facts[row.kind] if all(f.get(k) == v for k, v in (row.peer_facts or row.facts).items())]
        of = [f for f in ended(select(of, server=row.peer)) if f.get(row.key)]
        if not of:
            return None
        judge = median(ratios(figures, of, row.key))
        beside, ratio = f"{TITLE[row.peer]}: {number(median(f[row.key] for f in of))} {row.unit}", number(judge)
    return [row.what, row.goal, own.strip(), beside, ratio, "met" if row.met(judge) else "**missed**"]


def text(facts: dict) -> str:
    rows = [r for r in (judged(facts, row) for row in ROWS) if r]
    return table(["", "goal", "Poplar", "beside", "ratio", ""], rows) if rows else "Not measured in this run.\n"
