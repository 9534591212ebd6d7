"""Numbers, medians and ratios as tables of Markdown."""
from statistics import median


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spread(values: list[float]) -> str:
    if not values:
        return "–"
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def select(figures: list[dict], **facts) -> list[dict]:
    return [f for f in figures if all(f[k] == v for k, v in facts.items())]


def ended(figures: list[dict]) -> list[dict]:
    """Those with at least one session that ended well: the others say nothing of a server but that it failed."""
    return [f for f in figures if f.get("sessions", 1)]


def ratios(figures: list[dict], other: list[dict], key: str) -> list[float]:
    """Round by round, so that a drift of the machine drops out."""
    of = {f["round"]: f.get(key, 0) for f in ended(other)}
    return [(f.get(key) or 0) / of[f["round"]] for f in ended(figures) if of.get(f["round"])]


def ratio_text(figures: list[dict], other: list[dict], key: str) -> str:
    values = ratios(figures, other, key)
    return number(median(values)) if values else "–"
