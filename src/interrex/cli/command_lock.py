"""One command at a time starts or stops a cluster's workers on this machine."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from interrex.cli.exits import CommandError
from interrex.cli.terminal import say
from interrex.runtime.layout import Layout


@contextlib.contextmanager
def only_command(layout: Layout, name: str) -> Iterator[None]:
    """Hold the cluster's command lock, after whoever holds it has come to an end.

    The kernel drops it with its holder: a killed command blocks nobody.

    Args:
        layout: its folder is made where it is missing.
        name: of this command, for those who wait for it.

    Raises:
        CommandError: the folder cannot be written.
        InterrexError: it cannot be made.
    """
    if not layout.home.exists():
        layout.make()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(layout.command_lock, flags, 0o600)
    except OSError as error:
        raise CommandError(
            f"the state folder {layout.home} cannot be written: {error.strerror}\n"
            "nothing was changed, and what runs goes on; make it writable, and try again"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
            say(f"waiting for another command to end: {holder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # on a full disk the lock holds without a name, too
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"interrex {name} (pid {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
