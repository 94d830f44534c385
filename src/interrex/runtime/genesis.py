"""How a cluster begins: the file that every worker of a machine starts from."""

import os
from pathlib import Path

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of


class Genesis(msgspec.Struct, frozen=True):
    """The cluster's first file and its first voters (member identity -> worker).

    ``cluster_id`` tells two clusters of the same name apart.
    """

    cluster_id: str
    spec: ClusterSpec
    members: dict[int, WorkerName]

    def member_of(self, worker: WorkerName) -> int | None:
        """A worker's first identity, None if it was added later."""
        return next((member for member, name in self.members.items() if name == worker), None)

    def host_of(self, worker: WorkerName) -> HostName | None:
        return workers_of(self.spec).get(worker)


def new_genesis(spec: ClusterSpec, cluster_id: str) -> Genesis:
    """The same on every host that starts from the same file with the same id."""
    members = dict(enumerate(workers_of(spec), start=1))
    return Genesis(cluster_id, spec, members)


def write_genesis(path: Path, genesis: Genesis) -> None:
    """Write it whole or not at all."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(genesis), indent=1))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_genesis(path: Path) -> Genesis:
    """Raises InterrexError where the file is missing or is not one of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Genesis)
    except FileNotFoundError as error:
        raise InterrexError(f"there is no cluster in {path.parent}: start one with up") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise InterrexError(
            f"{path} cannot be read: {error}\nit is written once, by up: restore it, or move "
            "the folder away and start anew"
        ) from error
