"""The live picture: the fleet's processes, the requests, and what is being done to them."""

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interrex.core.replicas import ReplicaState
from interrex.demo.scene import Scene
from interrex.demo.telling import span
from interrex.runtime.clock import now_ns
from interrex.worker.status import Status

_GOOD = {"leading", "following", ReplicaState.READY}
_COMING = {
    ReplicaState.CLAIMING, ReplicaState.STARTING, ReplicaState.RUNNING, ReplicaState.WAITING,
    ReplicaState.SWEEPING,
}  # fmt: skip


def picture(scene: Scene) -> RenderableType:
    """The picture of this moment."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=10)
    grid.add_column(overflow="ellipsis", no_wrap=True)
    status = scene.status
    if status is not None:
        grid.add_row("workers", _workers(status, scene.answering))
        for name, service in status.services.items():
            replicas = [_process(r.name, r.state, r.pid) for r in service.replicas]
            grid.add_row(name, _row(replicas))
        balancers = [_process(b.name, b.state, b.pid) for b in status.balancer]
        grid.add_row("balancer", _row(balancers))
    grid.add_row("requests", _requests(scene))
    grid.add_row("latency", _sparks(scene))
    grid.add_row("now", Text(scene.doing))
    epoch = f" · {status.election}, epoch {status.epoch}" if status is not None else ""
    title = f"[bold]Interrex[/] {scene.url} · seed {scene.seed}{epoch}"
    return Panel(grid, title=title, title_align="left", box=ROUNDED, border_style="dim")


def _workers(status: Status, answering: set[str]) -> Text:
    parts = []
    for worker in status.workers:
        answers = worker.name in answering
        state = worker.state if answers else "lost"
        leads = worker.name == status.leader and answers
        parts.append(_process(worker.name, state, worker.pid if answers else None, leads))
    return _row(parts)


def _process(name: str, state: str, pid: int | None, leads: bool = False) -> Text:
    if state in _GOOD:
        mark, style = ("★", "bold cyan") if leads else ("●", "green")
    elif state in _COMING:
        mark, style = "◐", "yellow"
    else:
        mark, style = "○", "bold red"
    words = Text(f"{mark} {name}", style=style)
    words.append(f" {pid if pid is not None else '–'}", style="dim")
    if state not in _GOOD:
        words.append(f" {state}", style=style)
    return words


def _row(parts: list[Text]) -> Text:
    return Text("   ").join(parts)


def _requests(scene: Scene) -> Text:
    total = scene.tally.total
    words = Text(f"{total.answered} answered · ")
    words.append(f"{total.failed} failed", style="bold red" if total.failed else "bold green")
    words.append(f" · {total.retried} retried")
    if total.interrupted:
        words.append(f" · {total.interrupted} interrupted", style="yellow")
    latencies = total.latencies
    words.append(
        f" · p50 {span(latencies.percentile_s(0.5))}, p99 {span(latencies.percentile_s(0.99))}, "
        f"worst {span(latencies.worst_s)}",
        style="dim",
    )
    return words


def _sparks(scene: Scene) -> Text:
    words = Text()
    for bar, failed in scene.sparks.columns(now_ns()):
        words.append(bar, style="bold red" if failed else "cyan")
    words.append("  worst of each 0.25 s", style="dim")
    return words
