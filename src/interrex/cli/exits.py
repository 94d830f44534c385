"""How a command ends: the exit codes, and errors that carry one."""

from enum import IntEnum

from interrex.core.errors import InterrexError


class Exit(IntEnum):
    """The exit codes of every command; docs/commands.md explains them to people."""

    OK = 0
    FAILED = 1  # it did not work, or is not ready (yet)
    USAGE = 2  # wrong words on the command line, or a file that cannot be used
    NO_CLUSTER = 3  # there is no such cluster, or several, and none was named
    INTERRUPTED = 130  # Ctrl-C
    NOBODY_READS = 141  # the output's reader went away, as with `| head`


class CommandError(InterrexError):
    """Ends a command: what is wrong, why and what next, in one or two lines."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(text)
        self.code = code
