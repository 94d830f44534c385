"""Starts one program in its own session, or says in a sentence why it could not be started.

Measured from a 34 MB process: subprocess.Popen returns after 0.2 ms and the program's exit is
seen after 0.8 ms, with os.posix_spawn after 0.1 and 0.7 ms. Popen it is all the same: posix_spawn
knows neither ``directory`` nor ``user``, leaves open descriptors to the child, and two ways of
starting would have to be tested for ever. Changing the ``user`` costs 2 ms, since Python then forks
instead of vforking.

Limits are set with prlimit(2) right after the spawn, some 20 us after the child's exec and so while
its dynamic loader is at work: nothing else can set them without a helper program in between, which
would cost every start a second exec. A program that reads its limits in its first instructions, or
forks in them, may still see the worker's own. ``memory_bytes`` limits RLIMIT_DATA, what a process
may write privately: RLIMIT_AS would also count what Go, Java and node only reserve.
"""

import errno
import functools
import os
import pwd
import resource
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from interrex.core.ids import SlotName, number_of
from interrex.core.placeholders import fill
from interrex.core.spec import Limits, ServiceSpec
from interrex.runtime.procfs import INSTANCE_VARIABLE

INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV",
)  # fmt: skip
"""What a replica gets of the worker's own environment, with every LC_ variable."""

_CAP_SYS_RESOURCE = 24
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_NO_MORE_FILES = {errno.EMFILE, errno.ENFILE}
_NO_MORE_SPACE = {errno.ENOSPC, errno.EDQUOT}


class CannotSpawn(Exception):  # noqa: N818
    """Why a program was not started, as a sentence for people."""

    def __init__(self, reason: str, *, port_taken: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.port_taken = port_taken


class Place(NamedTuple):
    """Where a program runs: its slot, port, leadership's epoch and instance id.

    ``address`` is where it shall listen: loopback on one host, everywhere with several, whose
    balancers reach it from outside.
    """

    slot: SlotName
    port: int
    epoch: int
    instance: str
    address: str = "127.0.0.1"

    @property
    def values(self) -> dict[str, str]:
        """What stands in the place of each placeholder."""
        return {
            "port": str(self.port),
            "slot": self.slot,
            "number": str(number_of(self.slot)),
            "address": self.address,
        }


class Child(NamedTuple):
    """A started program. The caller owns the pidfd and reaps."""

    pid: int
    pidfd: int


class _Account(NamedTuple):
    name: str
    uid: int
    gid: int
    groups: list[int]
    home: str
    shell: str


class Output(msgspec.Struct, frozen=True):
    """Descriptors for a program's input and output; the caller keeps them open for the spawn."""

    stdin: int
    stdout: int


def spawn(command: tuple[str, ...], spec: ServiceSpec, place: Place, output: Output) -> Child:
    """Starts a command in the surroundings of a service: own session, directory, user, limits.

    Args:
        command: The program and its arguments; placeholders are filled in. No
            shell is involved.
        spec: Of the service: its env, directory, user and limits.
        place: Of the replica.
        output: Where its streams go; everything else is closed.

    Raises:
        CannotSpawn: Named cause and next step; no process is left.
    """
    account = _account(spec)
    environment = environment_for(spec, place, account)
    if spec.directory is not None and not os.path.isdir(spec.directory):
        raise CannotSpawn(
            f"the directory {spec.directory} does not exist on this host: "
            f"create it or correct service.{spec.name}.directory"
        )
    arguments = [fill(argument, place.values) for argument in command]
    program = _find_program(arguments, spec, environment)
    itself = account is not None and spec.limits != Limits() and not may_limit_others()
    pid = _start(program, arguments, spec, environment, account, output, itself=itself)
    return _finish(pid, spec, Limits() if itself else spec.limits)


def environment_for(
    spec: ServiceSpec, place: Place, account: _Account | None = None
) -> dict[str, str]:
    """A replica's environment: little of the worker's, all of the spec's, and its place."""
    environment = dict(inherited_environment())
    if account is not None:
        environment |= {"HOME": account.home, "SHELL": account.shell}
        environment |= {"USER": account.name, "LOGNAME": account.name}
    environment |= {name: fill(value, place.values) for name, value in spec.env.items()}
    environment |= {
        "PORT": str(place.port),
        "ADDRESS": place.address,
        "INTERREX_EPOCH": str(place.epoch),
        "INTERREX_SLOT": place.slot,
        INSTANCE_VARIABLE: place.instance,
    }
    return environment


@functools.cache
def inherited_environment() -> Mapping[str, str]:
    """What replicas get of the worker's environment, looked at once: it takes 60 us a time."""
    own = os.environ.items()
    inherited = {name: value for name, value in own if name in INHERITED or name[:3] == "LC_"}
    return {"PATH": _DEFAULT_PATH} | inherited


def check_port(port: int) -> None:
    """Refuses a port that somebody listens on, as a server binding it would be refused.

    Binding 0.0.0.0 with SO_REUSEADDR meets every listener on any IPv4 address and on a dual-stack
    ``::``, and no connection that still lingers. Takes 12 us.

    Raises:
        CannotSpawn: With ``port_taken``.
    """
    if port == 0:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except PermissionError:
            return  # below 1024: the program may have the right that we lack
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise CannotSpawn(
                f"port {port} is taken by another program (see: ss -ltnp 'sport = :{port}')",
                port_taken=True,
            ) from error


def reason_of(error: OSError, doing: str) -> str:
    """A sentence for an error of the operating system that a spawn met."""
    if error.errno in _NO_MORE_FILES:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"{doing} needs more open files than the worker may have ({soft}): raise ulimit -n"
    if error.errno in {errno.EAGAIN, errno.ENOMEM}:
        return (
            f"{doing} failed, the host has too little memory or too many processes "
            f"({error.strerror}): free some, or raise ulimit -u"
        )
    name = f" {error.filename}" if error.filename else ""
    if error.errno in _NO_MORE_SPACE:
        return f"{doing} failed:{name} {error.strerror}: free some space on the state folder's disk"
    return f"{doing} failed:{name} {error.strerror}"


def _account(spec: ServiceSpec) -> _Account | None:
    if spec.user is None:
        return None
    try:
        entry = pwd.getpwnam(spec.user)
    except KeyError:
        raise CannotSpawn(
            f"there is no user {spec.user} on this host: "
            f"create it or correct service.{spec.name}.user"
        ) from None
    if os.geteuid() != 0:
        if entry.pw_uid == os.geteuid():
            return None
        raise CannotSpawn(
            f"only root may start a program as {spec.user}: "
            f"run the workers as root or leave out service.{spec.name}.user"
        )
    groups = os.getgrouplist(spec.user, entry.pw_gid)
    return _Account(
        spec.user, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, entry.pw_shell or "/bin/sh"
    )


def _find_program(arguments: list[str], spec: ServiceSpec, environment: Mapping[str, str]) -> str:
    if not arguments:
        raise CannotSpawn(f"service.{spec.name}.command is empty: name a program")
    name = arguments[0]
    if "/" not in name:
        program = _on_path(name, environment["PATH"])
        if program is None:
            raise CannotSpawn(
                f"the command {name} is not on the PATH ({environment['PATH']}): "
                f"install it or write its whole path in service.{spec.name}.command"
            )
        return program
    path = Path(spec.directory or ".", name)
    if not path.exists():
        raise CannotSpawn(
            f"the command {name} does not exist on this host: "
            f"install it or correct service.{spec.name}.command"
        )
    if path.is_dir() or not os.access(path, os.X_OK):
        raise CannotSpawn(f"the command {name} is not an executable file: chmod +x it")
    return name


def _on_path(name: str, path: str) -> str | None:
    """``shutil.which``, whose module would cost every worker half a megabyte of decompressors."""
    for folder in path.split(os.pathsep):
        program = os.path.join(folder, name)
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


def _start(
    program: str,
    arguments: list[str],
    spec: ServiceSpec,
    environment: dict[str, str],
    account: _Account | None,
    output: Output,
    *,
    itself: bool,
) -> int:
    """``itself``: the child limits itself, once it is its user's. That takes a fork, where
    otherwise a vfork does; nothing but system calls is made in it."""
    try:
        child = subprocess.Popen(
            arguments,
            executable=program,
            stdin=output.stdin,
            stdout=output.stdout,
            stderr=output.stdout,
            start_new_session=True,
            cwd=spec.directory,
            env=environment,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else account.groups,
            preexec_fn=functools.partial(_limit, 0, spec.limits) if itself else None,
        )
    except subprocess.SubprocessError as error:
        raise _too_much(spec) from error
    except PermissionError as error:
        where = f" as {account.name}" if account is not None else ""
        raise CannotSpawn(
            f"{program} may not be run{where} in {spec.directory or os.getcwd()}: "
            "check the modes of the file and of the folders above"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            raise CannotSpawn(
                f"{program} is neither a binary of this machine nor a script that starts with #!"
            ) from error
        if error.errno == errno.ENOENT:
            raise CannotSpawn(
                f"{program} needs an interpreter or loader that is missing (see its #! line)"
            ) from error
        raise CannotSpawn(reason_of(error, f"starting {program}")) from error
    except ValueError as error:
        raise CannotSpawn(f"the command or env of {spec.name} is not valid: {error}") from error
    # We reap through the pidfd: Popen must neither wait for the child in its finalizer nor warn.
    child.returncode = 0
    return child.pid


def _finish(pid: int, spec: ServiceSpec, limits: Limits) -> Child:
    """Opens the pidfd and sets the limits; kills the child again if either is refused."""
    try:
        pidfd = os.pidfd_open(pid)
        try:
            _limit(pid, limits)
        except BaseException:
            os.close(pidfd)
            raise
    except (OSError, ValueError) as error:
        os.kill(pid, 9)  # our own child, not reaped: the pid is still its own
        os.waitpid(pid, 0)
        if isinstance(error, PermissionError | ValueError):
            raise _too_much(spec) from error
        raise CannotSpawn(reason_of(error, f"starting {spec.name}")) from error
    return Child(pid, pidfd)


def _limit(pid: int, limits: Limits) -> None:
    """Memory last: a forked child that limits itself (``pid`` 0) may need some until then."""
    if limits.nice is not None:
        os.setpriority(os.PRIO_PROCESS, pid, limits.nice)
    wanted = (
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_CORE, limits.core_bytes),
        (resource.RLIMIT_DATA, limits.memory_bytes),
    )
    for which, value in wanted:
        if value is not None:
            resource.prlimit(pid, which, (value, value))


@functools.cache
def may_limit_others() -> bool:
    """Whether this process may limit another user's: in most containers root may not."""
    with open("/proc/self/status") as fields:
        capabilities = next(line for line in fields if line.startswith("CapEff:"))
    return bool(int(capabilities.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)


def _too_much(spec: ServiceSpec) -> CannotSpawn:
    return CannotSpawn(
        f"service.{spec.name}.limits asks for more than the worker's own hard limits "
        "allow: lower them, or raise the worker's (ulimit -H -a)"
    )
