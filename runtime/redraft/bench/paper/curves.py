"""Strength curves as a drawing: what each method does of what is asked for, over what else it does.

SVG, so that a page stays small and its text can be read at any size. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from redraft.bench.paper.rows import Row

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 330, 30, 50
TICKS = 5
OURS = "#c2410c"
COLOURS = ("#0b6e99", "#4d7c0f", "#7e22ce", "#92400e", "#0f766e", "#be185d", "#4338ca")
DASHES = ("", "6 3", "2 3")
PAPER, INK, FAINT = "#ffffff", "#1a1d21", "#d5d9e0"
LINE = 18
"""Pixels between the names of two methods."""


def curves(rows: Sequence[Row], effect: str) -> str:
    """The curves of rows that have one, with the names of their methods beside them, best first.

    Args:
        rows: best first.
        effect: what the upward axis is called.

    """
    shown = [row for row in rows if row.curve]
    points = [point for row in shown for point in row.curve]
    widest = max(outside for outside, _ in points) * 1.05 or 1.0
    lowest = min(0.0, *(each for _, each in points))
    highest = max(0.1, *(each for _, each in points)) * 1.05
    step = _step(highest - lowest)
    frame = _Frame(widest, math.floor(lowest / step) * step, highest)
    parts = [*_axes(frame, step, effect)]
    others = 0
    for number, row in enumerate(shown):
        ours = row.method.startswith("redraft")
        colour = OURS if ours else COLOURS[others % len(COLOURS)]
        dash = DASHES[others // len(COLOURS) % len(DASHES)] if not ours else DASHES[number % 2]
        others += not ours
        parts += _curve(frame, row, number, colour, dash, 3.0 if ours else 1.6)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


class _Frame:
    """From figures to pixels."""

    def __init__(self, widest: float, lowest: float, highest: float) -> None:
        self.widest, self.lowest, self.highest = widest, lowest, highest

    def x(self, outside: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * outside / self.widest

    def y(self, effect: float) -> float:
        share = (effect - self.lowest) / (self.highest - self.lowest)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _step(span: float) -> float:
    """The distance of ticks that a person would take."""
    size: float = 10.0 ** math.floor(math.log10(span / TICKS))
    return next(size * each for each in (1, 2, 5, 10) if span / (size * each) <= TICKS)


def _axes(frame: _Frame, step: float, effect: str) -> Iterator[str]:
    right = WIDTH - RIGHT
    value = frame.lowest
    while value <= frame.highest:
        y = frame.y(value)
        yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{FAINT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>'
        value = round(value + step, 10)
    across = _step(frame.widest)
    for number in range(int(frame.widest / across) + 1):
        x, bottom = frame.x(number * across), HEIGHT - BOTTOM
        yield f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="{FAINT}"/>'
        said = f"{number * across:.3g}"
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{said}</text>'
    middle = (LEFT + right) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">change elsewhere</text>'
    yield f'<text x="{LEFT - 45}" y="{TOP - 12}">{escape(effect)}</text>'


def _curve(
    frame: _Frame, row: Row, number: int, colour: str, dash: str, width: float
) -> Iterator[str]:
    """A line from no change at all, a dot where methods are compared, and the method's name."""
    points = [(0.0, 0.0), *row.curve]
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    style = f'fill="none" stroke="{colour}" stroke-width="{width}"{dashes}'
    yield f'<polyline points="{path}" {style}/>'
    x, y = row.curve[len(row.curve) // 2]
    yield f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5" fill="{colour}"/>'
    at, down = WIDTH - RIGHT + 20, TOP + LINE * number
    yield f'<path d="M{at} {down}h24" {style}/>'
    yield f'<text x="{at + 32}" y="{down + 4}">{escape(row.method)}</text>'
