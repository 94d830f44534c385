"""From the bytes of a file to plain values; TOML's own errors in plain words, with their line."""

import bisect
import re
from typing import Any

from interrex.config.problems import Problem

LARGEST = 1024 * 1024
"""The largest cluster file, in bytes."""

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PLAIN_WORDS = (
    (r"Cannot overwrite a value|Duplicate inline table key", "this key is written twice"),
    (r"Cannot declare .* twice", "this table is written twice; put its keys together"),
    (r"Cannot redefine|Cannot mutate", "this table is complete already; put its keys together"),
    (r"Invalid value", "no value of TOML stands here; texts stand in quotes"),
    (r"(Illegal|Found invalid) character '\\n'|Unterminated string", "a text is not closed"),
    (r"Expected \"('|''')\"", "a text is not closed"),
    (r"(Illegal|Found invalid) character", "a control character cannot stand here"),
    (r"Expected newline or end of document", "the line should end here; one key stands on a line"),
    (r"Expected '=' after a key", "an = is missing after the key"),
    (
        r"Expected '\]+'",
        "the brackets of the table's name are not closed, or it has a letter that none can have",
    ),
    (r"Invalid initial character for a key", "a key is missing"),
    (r"Invalid statement", "neither a key nor a [table] begins like this"),
    (r"Unclosed array", "a comma or ] is missing in a list"),
    (r"Unclosed inline table", "a comma or } is missing in a table"),
    (r"Unescaped '\\'", r"a lone backslash; double it, or use 'single quotes'"),
    (r"Invalid hex value|Escaped character", "no character has this number"),
    (r"Invalid date", "no date or time is like this"),
)


def parse(file: str, data: bytes) -> tuple[str, dict[str, Any], Problem | None]:
    """The text, its values as ``tomllib`` gives them, and the problem if it is no TOML."""
    import tomllib

    if len(data) > LARGEST:
        message = f"is {len(data)} bytes large; a cluster file has at most {LARGEST}"
        return "", {}, Problem(file, 0, 0, "", message)
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        return "", {}, Problem(file, line, column, "", "is not written in UTF-8")
    try:
        return text, tomllib.loads(text), None
    except tomllib.TOMLDecodeError as error:
        return text, {}, _problem(file, text, str(error))
    except RecursionError:
        message = "lists or tables are nested too deeply"
    except ValueError:
        message = "holds a number or date that no computer can hold"
    return text, {}, Problem(file, _line_without_place(text), 1, "", message)


def _line_without_place(text: str) -> int:
    """Where Python itself gives up on a value, which it tells without a place: the last of the
    fewest lines with which it does."""
    import tomllib

    lines = text.split("\n")

    def gives_up(count: int) -> bool:
        try:
            tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            return False
        except (RecursionError, ValueError):
            return True
        return False

    return bisect.bisect_left(range(len(lines)), x=True, key=gives_up)


def _problem(file: str, text: str, error: str) -> Problem:
    place = _PLACE.search(error)
    line, column = text.rstrip().count("\n") + 1, 1
    if place and place.group(1):
        line, column = int(place.group(1)), int(place.group(2))
    said = error[: place.start()] if place else error
    message = next((words for pattern, words in _PLAIN_WORDS if re.match(pattern, said)), said)
    if place and not place.group(1) and "twice" not in message:
        message += " (the file ends here)"
    return Problem(file, line, column, "", message)
