"""A plot of lines over logarithmic axes, as SVG."""
import math
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 680, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 40, 55
ROW = 15  # between the names of two lines
COLOURS = ("#0b6fa4", "#c2410c", "#4d7c0f", "#7c3aed", "#555555")
PREFIXES = ((1e6, "M"), (1e3, "k"))


def short(value: float) -> str:
    for size, prefix in PREFIXES:
        if value >= size:
            return f"{value / size:g}{prefix}"
    return f"{value:g}"


def decades(values: list[float]) -> tuple[int, int]:
    """Powers of ten around all values."""
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    return low, max(high, low + 1)


class Axes:
    def __init__(self, lines: dict[str, list[tuple[float, float]]]):
        points = [p for line in lines.values() for p in line]
        self.x, self.y = decades([p[0] for p in points]), decades([p[1] for p in points])

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - self.x[0]) / (self.x[1] - self.x[0])
        up = (math.log10(y) - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        parts = []
        for power in range(self.x[0], self.x[1] + 1):
            x, y = self.at(10.0**power, 10.0**self.y[0])
            parts += [f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
                      f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{short(10.0**power)}</text>']
        for power in range(self.y[0], self.y[1] + 1):
            x, y = self.at(10.0**self.x[0], 10.0**power)
            parts += [f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>',
                      f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{short(10.0**power)}</text>']
        return parts


def curve(axes: Axes, points: list[tuple[float, float]], colour: str) -> list[str]:
    places = [axes.at(*p) for p in sorted(points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def labels(axes: Axes, lines: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Behind the last point of each line, below the name of another that ends there."""
    parts, least = [], 0.0
    ends = [(axes.at(*max(points))[1], name, colour) for (name, points), colour in zip(lines.items(), COLOURS)]
    for y, name, colour in sorted(ends):
        y = max(y + 4, least)
        least = y + ROW
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y:.1f}" fill="{colour}">{escape(name)}</text>')
    return parts


def svg(title: str, across: str, up: str, lines: dict[str, list[tuple[float, float]]]) -> str:
    """lines: (x, y) by name, all of them above 0."""
    axes = Axes(lines)
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>', *axes.grid(),
             f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across)}</text>',
             f'<text x="18" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 {HEIGHT / 2})">{escape(up)}</text>']
    for points, colour in zip(lines.values(), COLOURS):
        parts += curve(axes, points, colour)
    parts += labels(axes, lines)
    return "\n".join(parts) + "\n</svg>\n"


def write(path: Path, title: str, across: str, up: str, lines: dict[str, list[tuple[float, float]]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg(title, across, up, {name: points for name, points in lines.items() if points}))
