"""Messages over the number of processes, beside the known bounds: both axes are logarithmic, so
that a power of n is a straight line, and the power its slope."""

from collections.abc import Callable, Sequence
from math import log10

from interrex.lab import svg
from interrex.lab.sweep import Curve

WIDTH, HEIGHT = 520, 330
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34
TICKS = (3, 5, 10, 20, 50, 101)


class Axes:
    """Where numbers lie in a plot.

    Args:
        sizes: the numbers of processes.
        values: all numbers of messages that are to be seen.
    """

    def __init__(self, sizes: Sequence[int], values: Sequence[float]) -> None:
        self._first, self._last = log10(min(sizes)), log10(max(*sizes, min(sizes) + 1))
        positive = [value for value in values if value > 0]
        self._low = log10(max(1.0, min(positive, default=1.0))) - 0.08
        self._high = max(log10(max(positive, default=10.0)) + 0.08, self._low + 0.5)

    def x(self, nodes: float) -> float:
        """Of a number of processes."""
        share = (log10(nodes) - self._first) / (self._last - self._first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, messages: float) -> float:
        """Of a number of messages; none lie at the bottom."""
        share = (log10(messages) - self._low) / (self._high - self._low) if messages > 0 else 0.0
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        """The lines behind, with their numbers."""
        shapes = []
        for power in range(6):
            for digit in (1, 2, 5):
                value = digit * 10**power
                if self._low <= log10(value) <= self._high:
                    y = self.y(value)
                    shapes.append(svg.line(LEFT, y, WIDTH - RIGHT, y, "grid"))
                    shapes.append(svg.text(LEFT - 6, y + 4, f"{value:,}", "time", "end"))
        for nodes in TICKS:
            if self._first <= log10(nodes) <= self._last:
                x = self.x(nodes)
                shapes.append(svg.line(x, TOP, x, HEIGHT - BOTTOM, "grid"))
                shapes.append(svg.text(x, HEIGHT - BOTTOM + 14, str(nodes), "time", "middle"))
        shapes.append(svg.text(WIDTH - RIGHT, HEIGHT - 4, "processes", "faint", "end"))
        return shapes


def plot(curves: Sequence[Curve]) -> str:
    """One election: what was counted under each fault, and its bounds."""
    algorithm = curves[0].algorithm
    sizes = [point.nodes for point in curves[0].points]
    points = [point for curve in curves for point in curve.points]
    values = [float(number) for point in points for number in (point.least, point.most)]
    values += [formula(n) for _, formula in algorithm.bounds for n in sizes]
    axes = Axes(sizes, values)
    shapes = axes.grid()
    for number, (name, formula) in enumerate(algorithm.bounds):
        shapes += _bound(axes, sizes, f"bound b{number}", name, formula)
    for number, curve in enumerate(curves):
        shapes += _counted(axes, curve, f"k{number}")
    label = f"{algorithm.title}: messages over the number of processes"
    return svg.picture(WIDTH, HEIGHT, label, shapes)


def _counted(axes: Axes, curve: Curve, style: str) -> list[str]:
    line = [(axes.x(one.nodes), axes.y(one.mean)) for one in curve.points]
    shapes = [svg.path(line, f"curve {style}", curve.fault)]
    for one in curve.points:
        x, told = axes.x(one.nodes), f"{one.nodes} processes: {one.mean:,.1f} messages on average"
        shapes.append(svg.line(x, axes.y(one.least), x, axes.y(one.most), f"spread {style}"))
        shapes.append(svg.dot(x, axes.y(one.mean), 3.5, f"point {style}", told))
    return shapes


def _bound(
    axes: Axes, sizes: Sequence[int], style: str, name: str, formula: Callable[[int], float]
) -> list[str]:
    steps = range(min(sizes), max(sizes) + 1)
    return [svg.path([(axes.x(n), axes.y(formula(n))) for n in steps], style, name)]


def together(curves: Sequence[Curve]) -> str:
    """All elections in one picture."""
    sizes = [point.nodes for curve in curves for point in curve.points]
    values = [point.mean for curve in curves for point in curve.points]
    axes = Axes(sizes, values)
    shapes = axes.grid()
    for number, curve in enumerate(curves):
        points = [(axes.x(point.nodes), axes.y(point.mean)) for point in curve.points]
        shapes.append(svg.path(points, f"curve c{number}", curve.algorithm.title))
        shapes += [svg.dot(x, y, 2.5, f"point c{number}", curve.algorithm.title) for x, y in points]
    return svg.picture(
        WIDTH, HEIGHT, "all elections: messages over the number of processes", shapes
    )
