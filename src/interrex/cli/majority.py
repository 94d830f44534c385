"""So many logs are lost that nobody can be elected any more: what to say, and to do."""

from interrex.core.ids import WorkerName
from interrex.runtime.layout import Layout


def lost_majority(layout: Layout) -> list[WorkerName]:
    """Whose logs are lost, where no majority is left; else empty."""
    from interrex.runtime.beginning_anew import lost_logs
    from interrex.runtime.genesis import known_genesis

    genesis = known_genesis(layout)
    return [] if genesis is None else lost_logs(layout, genesis)


def explained(lost: list[WorkerName], file: str = "FILE") -> str:
    """What is lost, what that means, and what to do."""
    logs = "the log of" if len(lost) == 1 else "the logs of"
    return (
        f"{logs} {', '.join(lost)} cannot be read any more, and without a majority of the workers "
        "nobody can lead: what runs goes on, but nothing is replaced or changed\n"
        "go on with what runs, and with what the file and other logs still tell: "
        f"interrex up {file} --anew"
    )
