"""Where ``interrex`` begins: Ctrl-C ends it without a traceback while it is still being imported.

Nothing that takes long is imported before that.
"""

import signal


def run() -> int:
    """Run the command of this process.

    Until all is imported Ctrl-C kills it, as it would a program that knows nothing of the signal:
    there is nothing yet to end in order. (An ignored signal, as of nohup's, stays ignored.)

    Returns:
        The exit code.
    """
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from interrex.cli.main import main

    if raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()
