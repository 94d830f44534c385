"""The earliest proof of a process's death: a robust mutex that the kernel lets go of for it.

A dying process first gives back its memory (2.5 ms for 25 MB, 4 ms for 40), then closes its
sockets, and only then does its pidfd fire. Robust futexes come before all that: the kernel wakes
who waits for one within 0.3 ms, whatever the process's size (futex_exit_release in exit_mm;
``Documentation/locking/robust-futexes.rst``).

Guaranteed: ``on_break`` is called only for a process whose main thread has begun to end, by its
own will, a signal or exec, and so runs none of its code again. Not guaranteed: that its other
threads have ended, or that its file locks, ports and sockets are free: its pidfd says that.
That it is called at all: where it is not (another C library, a seal that is missing, a waiter
of the same worker in the way), the pidfd is early enough.
"""

import ctypes
import errno
import fcntl
import logging
import mmap
import os
import sys
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

_MUTEX_BYTES = 64
"""Room for one pthread_mutex_t (40 bytes on x86-64, 48 on aarch64), a cache line each."""
_MUTEXES = 64
_BYTES = _MUTEX_BYTES * _MUTEXES
_PTHREAD_PROCESS_SHARED = 1
_PTHREAD_MUTEX_ROBUST = 1
_FUTEX_TID_MASK = 0x3FFFFFFF
_FUTEX_OWNER_DIED = 0x40000000
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
"""Without them its owner could shorten it under a waiter, whom reading it would then kill."""

_MAP_FAILED = ctypes.c_void_p(-1).value

NO_LIFELINE = -1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]  # fmt: skip
_lock_mutex, _unlock_mutex = _libc.pthread_mutex_lock, _libc.pthread_mutex_unlock
_lock_mutex.argtypes = _unlock_mutex.argtypes = [ctypes.c_void_p]


class Lifeline:
    """This process's own mutexes, locked for as long as the calling thread lives.

    One for each who waits: the kernel wakes a single waiter of each.
    """

    def __init__(self) -> None:
        """Raises OSError where this machine has no such thing."""
        self.descriptor = os.memfd_create("lifeline", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, _BYTES)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
        begin = _map_for_ever(self.descriptor)
        kind = ctypes.create_string_buffer(_MUTEX_BYTES)
        _call("pthread_mutexattr_init", kind)
        _call("pthread_mutexattr_setpshared", kind, _PTHREAD_PROCESS_SHARED)
        _call("pthread_mutexattr_setrobust", kind, _PTHREAD_MUTEX_ROBUST)
        for address in range(begin, begin + _BYTES, _MUTEX_BYTES):
            _call("pthread_mutex_init", ctypes.c_void_p(address), kind)
            _call("pthread_mutex_lock", ctypes.c_void_p(address))


def hold_lifeline() -> int:
    """Hold this process's lifeline to its end; call it on the main thread, once.

    Returns:
        The descriptor that others find it at, NO_LIFELINE where there is none.
    """
    try:
        _held.append(Lifeline())
    except OSError as error:
        _log.warning("deaths of this worker are noticed later, by its pidfd: %s", error)
        return NO_LIFELINE
    return _held[-1].descriptor


_held: list[Lifeline] = []


class Watch:
    """One waiter, on a thread of its own, for the death of a process's main thread.

    Its descriptor stays open while it waits: closing it would give its place to another.
    """

    def __init__(
        self, descriptor: int, memory: mmap.mmap, offset: int, on_break: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._memory = memory
        self._offset = offset
        self._on_break = on_break
        self._broken = False
        self._word = memoryview(memory)[offset : offset + 4].cast("I")
        name = f"lifeline-{descriptor}"
        threading.Thread(target=self._wait, name=name, daemon=True).start()

    @property
    def is_broken(self) -> bool:
        """Whether the process is dying or dead, looked up in its memory.

        True as soon as the kernel has marked it, though the waiting thread may have no CPU yet:
        on a busy machine it queues behind the very process that is being cleared away.
        """
        return self._broken or self._word[0] & _FUTEX_OWNER_DIED != 0

    def _wait(self) -> None:
        mutex = _address(self._memory) + self._offset
        code = _lock_mutex(mutex)
        if code in (errno.EOWNERDEAD, errno.ENOTRECOVERABLE):
            self._broken = True
            self._on_break()
        if code == errno.EOWNERDEAD:
            _unlock_mutex(mutex)
        os.close(self._descriptor)


def watch_lifeline(pid: int, descriptor: int, on_break: Callable[[], None]) -> Watch | None:
    """Wait for the death of a process's main thread.

    Args:
        pid: the process, which the caller has a pidfd of.
        descriptor: where that process holds its lifeline.
        on_break: called on the waiting thread, at most once.

    Returns:
        None where there is nothing that could be waited for.
    """
    try:
        found = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    place = _free_mutex(found, pid)
    if place is None:
        os.close(found)
        return None
    return Watch(found, *place, on_break)


def _free_mutex(descriptor: int, pid: int) -> tuple[mmap.mmap, int] | None:
    """A mutex that this process holds and nobody waits for, and the memory that it lies in.

    Its first word is the id of the thread that holds it (a process's main thread has its pid): so
    nobody waits for a mutex that is not what it claims to be.
    """
    try:
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            return None
        if os.fstat(descriptor).st_size != _BYTES:
            return None
        memory = mmap.mmap(descriptor, _BYTES)
        for number in range(_MUTEXES):
            offset = number * _MUTEX_BYTES
            if _is_reserved(descriptor, offset):
                holder = _word(memory, offset) & _FUTEX_TID_MASK
                return (memory, offset) if holder == pid else None
    except OSError as error:
        _log.warning("the lifeline of process %d cannot be watched: %s", pid, error)
    return None


def _is_reserved(descriptor: int, offset: int) -> bool:
    """Takes a mutex for this process alone, by a lock on its bytes."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _MUTEX_BYTES, offset)
    except BlockingIOError:
        return False
    return True


def _word(memory: mmap.mmap, offset: int) -> int:
    """The futex: who holds it, and the kernel's mark that its holder died."""
    return int.from_bytes(memory[offset : offset + 4], sys.byteorder)


def _map_for_ever(descriptor: int) -> int:
    """The address of a file's memory, which no finalizer takes away before the kernel has looked
    through it at this process's end."""
    access, shared = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED
    address: int | None = _libc.mmap(None, _BYTES, access, shared, descriptor, 0)
    if address is None or address == _MAP_FAILED:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return address


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _call(name: str, *arguments: object) -> None:
    code = getattr(_libc, name)(*arguments)
    if code:
        raise OSError(code, os.strerror(code))
