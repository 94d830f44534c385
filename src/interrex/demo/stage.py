"""Where the demo speaks: a terminal with a live picture, or plain lines for a pipe."""

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from interrex.demo.scene import Scene
from interrex.demo.telling import HEADINGS, Outcome, remarks_of, rows_of, table_of

if TYPE_CHECKING:
    from rich.console import Console


class Stage(Protocol):
    """Takes the story's lines; used as a context while the fleet is up."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, line: str) -> None:
        """A line of the story."""

    def tell(self, lines: list[str]) -> None:
        """What belongs to the last line."""

    def tell_all(self, lines: list[str]) -> None:
        """Lines of their own."""

    def wait_for(self, what: str) -> None:
        """The story is held up for longer than a moment, by this."""

    def draw(self, scene: Scene) -> None:
        """The scene has changed."""

    def sum_up(self, outcome: Outcome) -> None:
        """The summary."""


class PlainStage:
    """One line after the other, each written at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, line: str) -> None:
        print(line, flush=True)

    def tell(self, lines: list[str]) -> None:
        for line in lines:
            self.say(f"     {line}")

    def tell_all(self, lines: list[str]) -> None:
        for line in ["", *lines]:
            self.say(line)

    def wait_for(self, what: str) -> None:
        self.say(f"     ... {what}")

    def draw(self, scene: Scene) -> None:
        return None

    def sum_up(self, outcome: Outcome) -> None:
        for line in ["", *table_of(outcome), "", *remarks_of(outcome)]:
            self.say(line)


class LiveStage:
    """The story scrolls by above a picture that is redrawn in place."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._console = console
        self._live: Live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        self._console.print(line, style="bold", highlight=False, markup=False)

    def tell(self, lines: list[str]) -> None:
        for line in lines:
            style = (
                "bold red" if line.startswith(("FAILED", "NOT ")) or "NOT HEALED" in line else ""
            )
            self._console.print(f"     {line}", style=style, highlight=False, markup=False)

    def tell_all(self, lines: list[str]) -> None:
        for line in ["", *lines]:
            self._console.print(line, highlight=False, markup=False)

    def wait_for(self, what: str) -> None:
        if not self._live.is_started:  # else the picture says it already
            self._console.print(f"     ... {what}", style="dim", highlight=False, markup=False)

    def draw(self, scene: Scene) -> None:
        from interrex.demo.picture import picture

        self._live.update(picture(scene), refresh=True)

    def sum_up(self, outcome: Outcome) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_footer=False)
        for number, heading in enumerate(HEADINGS):
            table.add_column(heading, justify="left" if number == 0 else "right")
        rows = rows_of(outcome)
        for number, row in enumerate(rows):
            failed = number < len(outcome.healings) and outcome.healings[number].failed
            style = "bold red" if failed else ("bold" if number == len(rows) - 1 else "")
            table.add_row(*row, style=style, end_section=number == len(rows) - 2)
        self._console.print(table)
        *remarks, moral = remarks_of(outcome)
        for remark in remarks:
            self._console.print(remark, highlight=False, markup=False)
        self._console.print(
            moral,
            style="bold red" if outcome.failed else "bold green",
            highlight=False,
            markup=False,
        )


def new_stage(plain: bool) -> Stage:
    """A live picture on a terminal, plain lines elsewhere or where they are asked for."""
    from rich.console import Console

    console = Console()
    return LiveStage(console) if console.is_terminal and not plain else PlainStage()
