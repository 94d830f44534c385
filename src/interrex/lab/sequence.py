"""A trial as a sequence diagram: a line down for each process, an arrow for each message.

Time runs downwards, but not evenly: moments at which something happens lie a little apart, and the
longer nothing happens the farther; a long silence is told and drawn short.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import log10

from interrex.core.ids import WorkerName
from interrex.core.time import MS, US
from interrex.lab import svg
from interrex.lab.process import SERVICE
from interrex.lab.record import Mail
from interrex.lab.trial import Trial

MOST_MAILS = 110
"""How many messages are drawn at most."""
LEFT, GAP, TOP = 84, 178, 46
STEP = 17
BELIEF = 16
"""How much room (pixels) it takes to say whom a process names."""
SILENCE = 3 * MS
"""From so long on, silence is told."""
TELL_TIME_EVERY = 30
"""So far apart (pixels) lie the times at the left, at least."""


class Diagram:
    """One trial's picture."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        algorithm = trial.algorithm
        lines = trial.circle if algorithm.ring else tuple(sorted(trial.circle))
        lines += (SERVICE,) if algorithm.service is not None else ()
        self._x = {name: LEFT + GAP // 2 + at * GAP for at, name in enumerate(lines)}
        self._mails = self._drawn()
        self._end = self._last_moment()
        self._y = self._rows()
        self._bottom = max(self._y.values()) + BELIEF + STEP
        self._width = LEFT + GAP * len(lines) + 20

    def _drawn(self) -> tuple[Mail, ...]:
        """What was sent until all agreed, or the first of it."""
        agreed = self._trial.agreed
        end = None if agreed is None else self._trial.began + agreed
        mails = [mail for mail in self._trial.mails if end is None or mail.sent <= end]
        return tuple(mails[:MOST_MAILS])

    def _last_moment(self) -> int:
        trial = self._trial
        moments = [trial.began, *(mail.arrived or mail.sent for mail in self._mails)]
        if trial.agreed is not None:
            moments.append(trial.began + trial.agreed)
        shown_all = len(self._mails) < MOST_MAILS
        return max(moments) if shown_all else max(mail.sent for mail in self._mails)

    def _moments(self) -> list[int]:
        trial = self._trial
        moments = {trial.began}
        moments |= {mail.sent for mail in self._mails}
        moments |= {mail.arrived for mail in self._mails if mail.arrived is not None}
        moments |= {turn.at for turn in trial.turns}
        moments |= {incident.at for incident in trial.incidents}
        return sorted(moment for moment in moments if moment <= self._end)

    def _rows(self) -> dict[int, float]:
        """Where each moment lies."""
        moments = self._moments()
        told = {turn.at for turn in self._trial.turns}
        y = float(TOP + STEP)
        rows = {moments[0]: y}
        for before, after in pairwise(moments):
            passed = after - before
            y += 44 if passed >= SILENCE else STEP * (0.6 + 0.5 * log10(1 + passed / (20 * US)))
            y += BELIEF if before in told else 0
            rows[after] = y
        return rows

    def drawn(self) -> str:
        """The picture."""
        trial = self._trial
        left_out = self._left_out()
        shapes = [*self._lifelines(), *self._times()]
        shapes += [shape for mail in self._mails for shape in self._arrow(mail)]
        shapes += [*self._incidents(), *self._turns()]
        if left_out:
            shapes.append(svg.text(LEFT, self._bottom + 14, left_out, "faint"))
        label = f"{trial.algorithm.title}, {trial.fault}: who sends what to whom"
        return svg.picture(self._width, self._bottom + 24, label, shapes)

    def _left_out(self) -> str:
        more = self._trial.messages - len(self._mails)
        if more > 0:
            return f"and {more:,} more messages, not drawn"
        return "" if self._trial.agreed is not None else "nothing more is said"

    def _lifelines(self) -> Iterable[str]:
        for name, x in self._x.items():
            yield svg.text(x, TOP - 24, name, "name", "middle")
            began = TOP - 14.0
            down = False
            for at, ends in self._ups_and_downs(name):
                yield svg.line(x, began, x, self._y[at], "down" if down else "life")
                began, down = self._y[at], ends
            yield svg.line(x, began, x, self._bottom, "down" if down else "life")
            for since, until in self._leads(name):
                yield svg.box(x - 3, since, 6, max(3.0, until - since), "leads", f"{name} leads")

    def _ups_and_downs(self, name: WorkerName) -> list[tuple[int, bool]]:
        return [
            (incident.at, incident.text in ("killed", "stopped"))
            for incident in self._trial.incidents
            if name in incident.workers and incident.at in self._y
        ]

    def _leads(self, name: WorkerName) -> list[tuple[float, float]]:
        """From where to where a process names itself: it may be dead, or wrong."""
        since: float | None = TOP - 14.0 if name in self._trial.leading else None
        bars: list[tuple[float, float]] = []
        changes = [
            (turn.at, turn.leader == name) for turn in self._trial.turns if turn.worker == name
        ]
        changes += [(at, False) for at, down in self._ups_and_downs(name) if down]
        for at, leads in sorted(changes):
            if at not in self._y:
                continue
            if leads and since is None:
                since = self._y[at]
            elif not leads and since is not None:
                bars.append((since, self._y[at]))
                since = None
        return bars if since is None else [*bars, (since, self._bottom)]

    def _times(self) -> Iterable[str]:
        """The times at the left, and silences across."""
        told = -1000.0
        before: int | None = None
        for at, y in self._y.items():
            silent = before is not None and at - before >= SILENCE
            if before is not None and silent:
                middle = (self._y[before] + y) / 2
                words = f"{since(at - before)} pass"
                yield svg.line(LEFT - 8, middle, self._width - 12, middle, "silence")
                yield svg.text(LEFT + 4, middle - 3, words, "faint")
            if silent or y - told >= TELL_TIME_EVERY:
                yield svg.text(LEFT - 14, y + 4, clock(at - self._trial.began), "time", "end")
                told = y
            before = at

    def _arrow(self, mail: Mail) -> Iterable[str]:
        algorithm = self._trial.algorithm
        kind = algorithm.label(algorithm.message(mail.content))
        told = f"{mail.sender} to {mail.to}: {fields_of(self._trial, mail)}"
        x1, x2, y1 = self._x[mail.sender], self._x[mail.to], self._y[mail.sent]
        side = 1 if x2 > x1 else -1
        if mail.arrived is None or mail.arrived not in self._y:
            x = x1 + side * min(0.5 * abs(x2 - x1), 0.6 * GAP)
            yield svg.line(x1, y1, x, y1 + 8, "lost", told)
            if mail.arrived is None:
                yield svg.text(x + side * 2, y1 + 12, "✕", "cross", "middle")
                yield svg.text(x + side * 10, y1 + 12, kind, "kind", _from(side))
            return
        y2 = self._y[mail.arrived]
        yield svg.line(x1, y1, x2 - side * 7, y2, "mail", told)
        head = [(x2 - side * 10, y2 - 3.5), (x2 - side * 3, y2), (x2 - side * 10, y2 + 3.5)]
        yield svg.path(head, "head")
        yield svg.text(x2 - side * 13, y2 - 3, kind, "kind", "end" if side > 0 else "start")

    def _turns(self) -> Iterable[str]:
        """What a process believes from now on."""
        named: dict[WorkerName, WorkerName | None] = {}
        for turn in self._trial.turns:
            told_before = turn.worker in named and named[turn.worker] == turn.leader
            if turn.at not in self._y or told_before:
                continue
            named[turn.worker] = turn.leader
            x, y = self._x[turn.worker], self._y[turn.at] + BELIEF / 2 + 4
            if turn.leader is None:
                words, style = "no leader", "lacks"
            elif turn.leader == turn.worker:
                words, style = "I lead", "wins"
            else:
                words, style = f"{turn.leader} leads", "follows"
            width = 8 + 6.2 * len(words)
            told = f"{turn.worker}, epoch {turn.epoch}: {turn.reason}"
            yield svg.box(x - width / 2, y - 6, width, 14, style, told)
            yield svg.text(x, y + 4, words, "believes", "middle")

    def _incidents(self) -> Iterable[str]:
        for incident in self._trial.incidents:
            for name in incident.workers:
                if incident.at in self._y:
                    x, y = self._x[name], self._y[incident.at]
                    width = 10 + 6.4 * len(incident.text)
                    yield svg.box(x - width / 2, y - 7, width, 15, "incident")
                    yield svg.text(x, y + 4, incident.text, "befalls", "middle")


def _from(side: int) -> str:
    return "start" if side > 0 else "end"


def since(ns: int) -> str:
    """``0.31 ms``, ``217 ms``."""
    return f"{ns / MS:.2f} ms" if ns < 10 * MS else f"{ns / MS:,.0f} ms"


def clock(ns: int) -> str:
    """A time in a diagram: two hundredths of a millisecond apart is another one."""
    return f"{ns / MS:,.2f} ms"


def fields_of(trial: Trial, mail: Mail) -> str:
    """A message with its fields, for whoever points at it."""
    message = trial.algorithm.message(mail.content)
    fields = ", ".join(
        f"{name} {getattr(message, name)}"[:60] for name in message.__struct_fields__
    )
    return f"{type(message).__name__}({fields})"


def diagram(trial: Trial) -> str:
    """The picture of a trial."""
    return Diagram(trial).drawn()
