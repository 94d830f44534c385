"""Handles of processes: a pidfd names one process for good, whatever becomes of its pid.

Nothing here ever signals a bare pid that may have been given to somebody else: a signal goes
through a pidfd, whose process was compared with a ProcessIdentity after the pidfd was opened.
"""

import ctypes
import errno
import functools
import os
import select
import signal
import threading
from typing import Self

import msgspec

from interrex.core.errors import InterrexError
from interrex.runtime.procfs import boot_id, pid_namespace, pid_start_time

_PIDFD_SIGNAL_PROCESS_GROUP = 4  # Linux 6.9
_PR_SET_CHILD_SUBREAPER = 36


class ProcessIdentity(msgspec.Struct, frozen=True):
    """What tells one process from every other that had or will have its pid.

    ``start_time`` is in clock ticks after the boot (field 22 of /proc/PID/stat); ``boot_id`` and
    ``pid_namespace`` (an inode) say where the pid and the time count.
    """

    pid: int
    start_time: int
    boot_id: str
    pid_namespace: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The identity of the process that has this pid now, None where there is none."""
        start = pid_start_time(pid)
        return None if start is None else cls(pid, start, boot_id(), pid_namespace())

    def verify(self) -> bool:
        """Whether exactly this process lives; a zombie does not."""
        descriptor = open_pidfd(self)
        if descriptor is None:
            return False
        os.close(descriptor)
        return True

    def names_its_pid(self) -> bool:
        """Whether the pid belongs to this process now, alive or a zombie."""
        if self.boot_id != boot_id() or self.pid_namespace != pid_namespace():
            return False
        return pid_start_time(self.pid) == self.start_time


def open_pidfd(identity: ProcessIdentity) -> int | None:
    """A pidfd of exactly this process, None when it is dead or its pid names another.

    The pidfd is opened first and the process compared afterwards, so that what was compared is
    what the pidfd names: a pid cannot be given away again while its process is not reaped, and
    once it is, the comparison fails.

    Raises:
        OSError: Too few file descriptors.
    """
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOENT}:  # the id of a thread
            return None
        raise
    if identity.names_its_pid() and not is_dead(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_dead(pidfd: int) -> bool:
    """Whether the process is dead, reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def send_signal(pidfd: int, number: int) -> bool:
    """Signals one process; False when it was dead already or may not be signalled by us."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def signal_group(pidfd: int, leader: int, number: int) -> bool:
    """Signals the whole process group that the pidfd's process leads, or led.

    From Linux 6.9 on the kernel finds the group by the pidfd: right even for a group whose leader
    is dead. Before, by number, and so only while the leader lives and thereby keeps its number.

    Args:
        pidfd: Of the group's leader.
        leader: The leader's pid.
        number: The signal; 0 only asks whether the group has members (zombies are some).

    Returns:
        Whether there was a member that we may signal.
    """
    try:
        if group_signals_by_pidfd():
            signal.pidfd_send_signal(pidfd, number, None, _PIDFD_SIGNAL_PROCESS_GROUP)
        elif not is_dead(pidfd):
            os.killpg(leader, number)
        else:
            return False
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_is_empty(pidfd: int, leader: int) -> bool:
    """Whether no process, not even a zombie, is left in the group; False when not sure."""
    if group_signals_by_pidfd():
        return not signal_group(pidfd, leader, 0)
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def reap(pidfd: int) -> int | None:
    """Takes a dead child's status as waitpid gives it (negative: signal).

    Returns:
        None where the process is not our child: the kernel told its parent only.
    """
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


@functools.cache
def group_signals_by_pidfd() -> bool:
    """Whether this kernel signals a group through its leader's pidfd (asked on ourselves)."""
    descriptor = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(descriptor, 0, None, _PIDFD_SIGNAL_PROCESS_GROUP)
    except OSError as error:
        # ESRCH: the flag is known and we lead no group. EINVAL: it is not known.
        return error.errno != errno.EINVAL
    finally:
        os.close(descriptor)
    return True


def become_subreaper() -> None:
    """Makes this process the parent of its descendants' orphans, in place of pid 1.

    So a daemon that a replica left behind shows among our own children.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        cause = os.strerror(ctypes.get_errno())
        raise InterrexError(f"the kernel refused prctl(PR_SET_CHILD_SUBREAPER): {cause}")


def let_children_default_signals() -> None:
    """Keeps what our own parent made us ignore or block from our children.

    An ignored signal stays ignored through exec, so replicas of a worker started with nohup or in
    a shell's background could not be stopped with SIGINT. A handler that does nothing has the same
    effect here, and exec turns it into the default there.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
