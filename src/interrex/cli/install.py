"""``interrex install``.

One unit a cluster and machine. Its main process is ``interrex up FILE --guard``, which is on
nobody's path: workers, balancers and services run in sessions of their own and outlive it
(KillMode=process), live workers replace dead ones by themselves, and only when all of a machine's
workers are dead at once does it start them again. systemd in turn restarts it, and starts it after
a reboot. Units for single workers would fight with the leader over who restarts one.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit
from interrex.cli.places import Flag, HostOption, StateOption
from interrex.cli.starting import Plan, read_plan
from interrex.core.spec import ClusterSpec
from interrex.runtime.layout import Layout

FIRST_LINE = "# Written by interrex install, which would replace it: change the cluster file."
SPARE_STOP_S = 60
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+,@")


def install(
    file: Path,
    /,
    *,
    print_only: Annotated[Flag, Parameter(name="--print")] = False,
    host: HostOption = None,
    state: StateOption = None,
) -> int:
    """Let systemd keep a fleet up, also through a reboot.

    Writes a unit that starts the fleet and starts its workers again should all of them die at
    once: for the system when you are root, else for your user. Nothing is started yet; the next
    command is printed.

    Example: interrex install shop.toml --print

    Args:
        file: The cluster file, which stays where it is.
        print_only: Print the unit instead of writing it.
        host: Which of the file's hosts this machine is; by default the one of its own name.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
    """
    plan = read_plan(file, state, host)
    text = unit(plan, for_system=os.geteuid() == 0)
    if print_only:
        print(text, end="")
        return Exit.OK
    path = _folder() / f"{unit_name(plan.layout)}.service"
    _write(path, text)
    print(f"wrote {path}")
    if os.geteuid() == 0:
        print(f"next: systemctl daemon-reload && systemctl enable --now {path.stem}")
    else:
        print(f"next: systemctl --user daemon-reload && systemctl --user enable --now {path.stem}")
        print("and, so that it runs while you are not logged in: loginctl enable-linger")
    return Exit.OK


def unit_name(layout: Layout) -> str:
    """``interrex-shop``."""
    return f"interrex-{layout.cluster}"


def unit(plan: Plan, for_system: bool) -> str:
    """The unit's text.

    Args:
        plan: what it starts.
        for_system: for the system's systemd, not for a user's.
    """
    where = ["--state", str(plan.layout.root)]
    here = ["--host", plan.host] if plan.spec.hosts else []
    file = str(plan.file.absolute())
    network = "After=network-online.target\nWants=network-online.target\n" if for_system else ""
    return f"""\
{FIRST_LINE}
[Unit]
Description=Interrex fleet {plan.name}
{network}StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={_command("up", file, "--guard", *here, *where)}
ExecReload={_command("apply", file, *here, *where)}
ExecStop={_command("down", "--cluster", plan.name, *here, *where)}
# Nothing but the guard itself is ever killed by systemd: workers and services outlive it.
KillMode=process
Restart=on-failure
RestartSec=1
RestartPreventExitStatus={int(Exit.USAGE)}
TimeoutStopSec={_stop_seconds(plan.spec)}
OOMPolicy=continue
LimitNOFILE=65536
TasksMax=infinity
Environment={_quoted("PATH=" + os.environ.get("PATH", os.defpath))}

[Install]
WantedBy={"multi-user.target" if for_system else "default.target"}
"""


def _command(*arguments: str) -> str:
    words = (sys.executable, "-P", "-m", "interrex", *arguments)
    return " ".join(_quoted(word.replace("$", "$$")) for word in words)


def _quoted(word: str) -> str:
    """A word as systemd reads it back: ``%`` would start a specifier."""
    word = word.replace("%", "%%")
    if set(word) <= _PLAIN | {"%", "$"}:
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _stop_seconds(spec: ClusterSpec) -> int:
    longest = max((service.stop_timeout for service in spec.services.values()), default=0.0)
    return round(longest) + SPARE_STOP_S


def _folder() -> Path:
    if os.geteuid() == 0:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    if path.exists() and not path.read_text().startswith(FIRST_LINE):
        raise CommandError(
            f"{path} was not written by interrex install\n"
            "move it away, or print the unit with --print"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise CommandError(
            f"cannot write {path}: {error.strerror}\nprint the unit with --print instead"
        ) from error
