"""``interrex``: the commands, each imported only when it is used, and how their errors are shown.

main        parses, runs one command, and turns whatever goes wrong into lines and a code
places      which cluster is meant
asking      questions to workers over their sockets
report      a status document as a table
"""

import os
import sys
from collections.abc import Sequence
from typing import Literal

from cyclopts import App, CycloptsError, UnusedCliTokensError

from interrex import __version__
from interrex.cli.exits import CommandError, Exit
from interrex.cli.plain_help import PlainHelp
from interrex.cli.terminal import say
from interrex.core.errors import InterrexError

COMMANDS = {
    "up": "Start a fleet from its file, or watch the one that runs.",
    "down": "Stop a fleet in order: balancers drain, services stop, workers end.",
    "status": "Show what runs: workers, who leads, services, balancers.",
    "events": "Show what happened: deaths, restarts, elections, changes.",
    "logs": "Show what replicas print, also while no worker lives.",
    "check": "Say whether a cluster file is in order, and what this machine lacks for it.",
    "apply": "Bring a running fleet in line with its file, one replica at a time.",
    "scale": "Change how many replicas a service has, until its file is applied again.",
    "restart": "Replace the processes of a service, one at a time, or that of one replica.",
    "step-down": "Let another worker lead, and wait until one does.",
    "install": "Let systemd keep a fleet up, also through a reboot.",
    "sim": "Show how a cluster behaves under faults, before production does.",
    "lab": "Let every election meet the same fault, and show what each of them does.",
    "demo": "Start a real fleet, kill every part of it under load, and show it heal.",
}
"""What each command does, in the order in which people meet them."""

_MODULES = {"step-down": "interrex.cli.step_down", "demo": "interrex.demo.command"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after the program's name; those of this process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except UnusedCliTokensError as error:
        return _explain(_too_much(_command_of(words), error.unused_tokens or ()), Exit.USAGE)
    except CycloptsError as error:
        see = f"interrex {_command_of(words)}".rstrip()
        return _explain(f"{error}\nsee: {see} --help", Exit.USAGE)
    except CommandError as error:
        return _explain(str(error), error.code)
    except InterrexError as error:
        return _explain(str(error), Exit.FAILED)
    except BrokenPipeError:
        # Whatever is still buffered would raise again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NOBODY_READS
    except SystemExit as ending:
        # Rich's answer to a pipe that nobody reads is 1, cyclopts' to Ctrl-C is 130.
        return Exit.NOBODY_READS if ending.code == 1 else Exit.INTERRUPTED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _explain(f"{place}{error.strerror or error}", Exit.FAILED)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return code


def new_app(chosen: str, formatter: Literal["default"] | PlainHelp) -> App:
    """All commands, none of them imported yet.

    Args:
        chosen: the one command whose help is to be what it says itself, and not one line.
        formatter: how help is shown.
    """
    app = App(
        name="interrex",
        help="A fleet of services that heals itself: workers, an elected leader, no single "
        "supervisor.\n\nExample: interrex up shop.toml",
        version=__version__,
        help_formatter=formatter,
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
    )
    for number, (name, text) in enumerate(COMMANDS.items()):
        function = name.replace("-", "_")
        short = None if name == chosen else text  # None: what the function itself says
        app.command(f"{module_of(name)}:{function}", name=name, help=short, sort_key=number)
    return app


def module_of(command: str) -> str:
    """The module that holds a command's function."""
    return _MODULES.get(command, f"interrex.cli.{command}")


def _run(words: list[str]) -> int:
    formatter: Literal["default"] | PlainHelp = "default" if sys.stdout.isatty() else PlainHelp()
    result = new_app(_command_of(words), formatter)(words)
    return result if isinstance(result, int) else Exit.OK


def _command_of(words: list[str]) -> str:
    return words[0] if words and words[0] in COMMANDS else ""


def _too_much(command: str, words: Sequence[str]) -> str:
    text = f"{command}: {' '.join(words)} is more than it takes"
    if any(word.endswith(".toml") for word in words):
        return f"{text}\nit takes no file: say which cluster with --cluster NAME"
    return f"{text}\nsee: interrex {command} --help"


def _explain(text: str, code: Exit) -> Exit:
    say(text)
    return code
