"""Help as plain, aligned text: for pipes, and for docs/commands.md."""

import io
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDTH = 88
_LONGEST_LABEL = 18


class PlainHelp:
    """Formats what cyclopts has to say, without boxes, colours or trailing spaces."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print one panel: a title, and an entry for each argument, option or command."""
        if not panel.entries:
            return
        labels = [", ".join(_labels(entry)) for entry in panel.entries]
        width = min(max(map(len, labels)), _LONGEST_LABEL)
        lines = [f"{panel.title}:"]
        for label, entry in zip(labels, panel.entries, strict=True):
            lines += _entry(label, _meaning(entry, console), width)
        _write(console, [*lines, ""])

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Print the line that says how the words stand."""
        text = _text(usage, console)
        _write(console, [text if text.startswith("Usage:") else f"Usage: {text}", ""])

    def render_description(self, console: "Console", options: "ConsoleOptions", text: Any) -> None:
        """Print what the command does."""
        _write(console, [*_text(text, console).splitlines(), ""])


def _labels(entry: "HelpEntry") -> tuple[str, ...]:
    return tuple(entry.display_labels_with_metavar or entry.display_labels)


def _meaning(entry: "HelpEntry", console: "Console") -> str:
    text = " ".join(_text(entry.description, console).split())
    return f"{text} [default: {entry.default}]" if entry.default is not None else text


def _entry(label: str, meaning: str, width: int) -> list[str]:
    """The meaning beside the label, or below one that is too long for its column."""
    indent = " " * (width + 4)
    lines = textwrap.wrap(meaning, WIDTH, initial_indent=indent, subsequent_indent=indent)
    if len(label) > width or not lines:
        return [f"  {label}", *lines]
    return [f"  {label.ljust(width)}  {lines[0].lstrip()}", *lines[1:]]


def _text(thing: Any, console: "Console") -> str:
    """Plain text of whatever cyclopts hands over: a string, or something that rich can print."""
    from rich.console import Console

    if thing is None:
        return ""
    plain = Console(file=io.StringIO(), width=WIDTH, no_color=True, force_terminal=False)
    with plain.capture() as capture:
        plain.print(thing, end="", highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in capture.get().strip().splitlines())


def _write(console: "Console", lines: list[str]) -> None:
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
