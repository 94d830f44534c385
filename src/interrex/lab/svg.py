"""Pictures as SVG text: shapes are strings, and a picture is a list of them."""

from collections.abc import Iterable
from html import escape


def number(value: float) -> str:
    """A coordinate, as short as its meaning."""
    return f"{value:.1f}".removesuffix(".0")


def line(x1: float, y1: float, x2: float, y2: float, style: str, title: str = "") -> str:
    """From one point to another."""
    at = f"x1={number(x1)} y1={number(y1)} x2={number(x2)} y2={number(y2)}"
    return f"<line class='{style}' {at}>{_title(title)}</line>"


def box(x: float, y: float, width: float, height: float, style: str, title: str = "") -> str:
    """A rectangle by its upper left corner."""
    at = f"x={number(x)} y={number(y)} width={number(width)} height={number(height)}"
    return f"<rect class='{style}' {at}>{_title(title)}</rect>"


def dot(x: float, y: float, radius: float, style: str, title: str = "") -> str:
    """A filled circle."""
    at = f"cx={number(x)} cy={number(y)} r={number(radius)}"
    return f"<circle class='{style}' {at}>{_title(title)}</circle>"


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """Words that begin, end or are centred there."""
    at = f"x={number(x)} y={number(y)} text-anchor={anchor}"
    return f"<text class='{style}' {at}>{escape(words)}</text>"


def path(points: Iterable[tuple[float, float]], style: str, title: str = "") -> str:
    """A line through points."""
    steps = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f"<polyline class='{style}' points='{steps}'>{_title(title)}</polyline>"


def picture(width: float, height: float, label: str, shapes: Iterable[str]) -> str:
    """The whole of it, as wide as the page allows at most."""
    size = f"width={number(width)} viewBox='0 0 {number(width)} {number(height)}'"
    return f"<svg {size} role=img aria-label='{escape(label)}'>{''.join(shapes)}</svg>"


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
