"""Connections that come and go, and deaths that are proved."""

from typing import Any

from interrex.core.ids import WorkerName
from interrex.elections.replicated.candidate import CandidateRole
from interrex.elections.replicated.detection import Loss
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.server import ReplicatedServer


class Peers:
    """What a server makes of the runtime's news about its peers."""

    def __init__(self, server: ReplicatedServer[Any, Any, Any, Any]) -> None:
        self._server = server

    def connected(self, peer: WorkerName, member: int) -> None:
        server = self._server
        server.node.peers[peer] = member
        server.detection.dead.discard(peer)
        if isinstance(server.role, CandidateRole | LeaderRole):
            server.role.on_peer_connected(member)

    def lost(self, peer: WorkerName, *, proved_dead: bool) -> None:
        server = self._server
        detection, node = server.detection, server.node
        detection.remembered.pop(peer, None)
        if proved_dead:
            detection.dead.add(peer)
        if isinstance(server.role, LeaderRole):
            member = node.membership.member_of(peer)
            if member is not None:
                server.role.on_peer_lost(member)
        elif detection.leader_worker == peer:
            self._leader_lost(peer, proved_dead=proved_dead)
        elif proved_dead and detection.former is not None and detection.former[0] == peer:
            self._former_leader_died(*detection.former)
        elif proved_dead:
            server.hurry_if_next()

    def _leader_lost(self, peer: WorkerName, *, proved_dead: bool) -> None:
        """Suspicion, or the end of its epoch."""
        server = self._server
        detection, node = server.detection, server.node
        if proved_dead:
            server.reason = f"{peer} is proved dead"
            detection.end(node.epoch, node.now)
            server.lose_leader(0)
            return
        server.reason = f"the connection to {peer} is closed"
        if detection.loss is Loss.NONE:
            detection.loss = Loss.DISCONNECTED
        server.lose_leader(node.settings.reconnect_allowance)

    def _former_leader_died(self, peer: WorkerName, epoch: int) -> None:
        """Proof comes after the suspicion: the question is asked anew with it."""
        server = self._server
        if server.detection.leader is None:
            server.detection.end(epoch, server.node.now)
        if isinstance(server.role, CandidateRole) and server.role.asking:
            server.become_pre_candidate(f"{peer} is proved dead")
        else:
            server.hurry_if_next()
