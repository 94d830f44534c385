"""Connections that come and go, and deaths that are proved."""

from interrex.core.ids import WorkerName
from interrex.elections.bully.candidate import Candidate, Phase
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.server import Server
from interrex.elections.bully.waiting import Waiting


class Peers:
    """What a worker makes of the runtime's news about its peers."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def connected(self, peer: WorkerName, member: int) -> None:
        server = self._server
        server.watch.came(peer, member)
        role = server.role
        if isinstance(role, Leading):
            role.on_peer_connected(peer)
        elif isinstance(role, Waiting):
            role.hurry_if_complete()

    def lost(self, peer: WorkerName, *, proved_dead: bool) -> None:
        server = self._server
        watch = server.watch
        watch.went(peer, proved_dead=proved_dead)
        role = server.role
        if isinstance(role, Leading):
            role.on_peer_lost(peer)
        elif isinstance(role, Candidate):
            if proved_dead and watch.leader == peer:
                watch.end(watch.leader_epoch)
                if role.phase is Phase.ASKING and watch.above == 0:
                    server.form(f"{peer} is proved dead")
                    return
            role.on_lost(peer)
        else:
            if proved_dead and watch.leader == peer:
                server.reason = f"{peer} is proved dead"
            elif watch.leader == peer:
                server.reason = f"the connection to {peer} is closed"
            role.peer_lost(peer, proved_dead=proved_dead)
