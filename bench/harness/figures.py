"""All figures that RESULTS.md is made of, so that one scenario can be measured again without the others.

A fact belongs to a scenario, and those of a scenario are replaced together: only what was measured in one run is compared."""
import datetime
import json
from pathlib import Path

KINDS = ("runs", "idle", "open", "acts")
NOT_KEPT = {"complaints", "octets_out", "system_ms", "p99_ms", "verified", "roles_kib"}
DIGITS = 5


def group(kind: str, fact: dict) -> str:
    return fact.get("scenario") or fact.get("act") or kind


def slim(value):
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def load(path: Path) -> dict:
    if path.exists():
        return json.loads(path.read_text())
    return {kind: [] for kind in KINDS} | {"first": {}, "versions": {}, "failed": {}, "growth": {}}


def merge(old: dict, new: dict) -> dict:
    """What is new, and of the old what was not measured again."""
    today = datetime.date.today().isoformat()
    merged = {**old, "machine": new["machine"], "method": new["method"], "failed": new["failed"]}
    for key in ("first", "versions"):
        merged[key] = old[key] | new[key]
    for kind in KINDS:
        again = {group(kind, f) for f in new[kind]}
        kept = [f for f in old[kind] if group(kind, f) not in again]
        merged[kind] = kept + [{k: slim(v) for k, v in f.items() if k not in NOT_KEPT} | {"date": today} for f in new[kind]]
    return merged


def dump(path: Path, facts: dict) -> None:
    """A line per fact, so that changes can be read."""
    parts = []
    for key, value in facts.items():
        if isinstance(value, list):
            parts.append(f"{json.dumps(key)}: [\n" + ",\n".join(json.dumps(f) for f in value) + "\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
