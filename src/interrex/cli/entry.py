"""Where ``interrex`` begins: Ctrl-C ends it without a traceback while it is still being imported.

Nothing that takes long is imported before that.
"""

import io
import os
import signal
import sys


def run() -> int:
    """Run the command of this process.

    Until all is imported Ctrl-C kills it, as it would a program that knows nothing of the signal:
    there is nothing yet to end in order. (An ignored signal, as of nohup's, stays ignored.)

    Returns:
        The exit code.
    """
    _open_closed_streams()
    _show_what_the_output_cannot()
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from interrex.cli.main import main

    if raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def _open_closed_streams() -> None:
    """A file that is opened while a standard stream is closed (>&-) would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _show_what_the_output_cannot() -> None:
    """As standard error does: a letter that the locale lacks, or a file's name that is no text, is
    escaped. It ended the command with a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
