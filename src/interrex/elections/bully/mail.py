"""Mail from other workers: whether it is to be obeyed, then the role's handler.

Source: paper, section IV (procedures that other nodes call); section V for the rule that a message
of an older group is not obeyed.
"""

from typing import assert_never

from interrex.core.ids import WorkerName
from interrex.elections.bully import messages as m
from interrex.elections.bully.candidate import Candidate
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.server import Server
from interrex.elections.bully.waiting import Waiting

LeaderMail = m.Coordinator | m.Beat | m.Copy | m.WholeCopy
ToCoordinator = m.Joined | m.BeatAnswer


class Mailbox:
    """Takes payloads for one worker."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def take(self, worker: WorkerName, payload: bytes) -> None:
        """One payload from a worker.

        Raises:
            MalformedPayload: it is no message.
        """
        message = m.decode(payload)
        server = self._server
        if worker == server.node.worker or not server.watch.heard_from(worker, message.source):
            return
        server.node.hear_of(message.epoch)
        self._dispatch(message, worker)

    def _dispatch(self, message: m.Message, worker: WorkerName) -> None:
        role = self._server.role
        match message:
            case m.Election():
                self._on_election(message, worker)
            case m.Halt():
                self._on_halt(message, worker)
            case m.Coordinator() | m.Beat():
                self._on_leader_mail(message, worker)
            case m.Copy() | m.WholeCopy():
                if isinstance(role, Candidate):
                    role.on_copy(message, worker)
                else:
                    self._on_leader_mail(message, worker)
            case m.Answer():
                if isinstance(role, Candidate):
                    role.on_answer(message, worker)
            case m.Halted():
                if isinstance(role, Candidate):
                    role.on_halted(message, worker)
            case m.Refused():
                if isinstance(role, Candidate | Leading):
                    role.on_refused(message, worker)
            case m.Joined() | m.BeatAnswer():
                if isinstance(role, Leading) and message.epoch == role.epoch:
                    _give_coordinator(role, message, worker)
            case m.Copied() | m.ChunkWanted():
                self._on_copy_answer(message, worker)
            case m.Fetch():
                if isinstance(role, Waiting):
                    role.on_fetch(message, worker)
            case m.HandOver():
                self._on_hand_over(message, worker)
            case _:
                assert_never(message)

    # Elections

    def _on_election(self, message: m.Election, worker: WorkerName) -> None:
        """Who is up? The paper's AreYouUp and AreYouNormal."""
        server = self._server
        node, role = server.node, server.role
        above, leader = self._bullies(worker), m.NOBODY
        if isinstance(role, Leading):
            leader = node.worker
            role.tell(worker)
        elif isinstance(role, Waiting):
            self._hear_of_end(message.ended, worker)
            leader = self._obeyed() or m.NOBODY
        answer = m.Answer(
            node.member, node.seen, message.round, above and leader == m.NOBODY, leader
        )
        node.send(worker, answer)
        role = server.role
        if answer.above and message.round and isinstance(role, Waiting):
            role.hurry(0)
            role.on_time(late=False)

    def _hear_of_end(self, ended: int, worker: WorkerName) -> None:
        """A coordinator is gone for good, as another says, or asks who leads itself."""
        server = self._server
        watch, role = server.watch, server.role
        if watch.hears == worker:
            ended = watch.leader_epoch
        if watch.end(ended) and isinstance(role, Waiting):
            server.reason = f"its coordinator is gone, as {worker} says"
            role.leader_ended()

    def _obeyed(self) -> WorkerName | None:
        """The coordinator that is heard, or whoever is about to be one."""
        server = self._server
        if isinstance(server.role, Leading):
            return server.node.worker
        if isinstance(server.role, Waiting) and server.role.halter is not None:
            return server.role.halter
        return server.watch.hears

    def _refuse(self, worker: WorkerName, epoch: int, *, above: bool = False) -> None:
        node = self._server.node
        leader = self._obeyed() or m.NOBODY
        newest = max(node.seen, node.promised)
        node.send(worker, m.Refused(node.member, newest, epoch, above, leader))

    def _on_halt(self, message: m.Halt, worker: WorkerName) -> None:
        server = self._server
        node, watch, role = server.node, server.watch, server.role
        if isinstance(role, Leading):
            appointed = message.appointed and message.ended == role.epoch
            if node.is_above(worker) and not appointed:
                self._refuse(worker, message.epoch, above=True)
                role.tell(worker)
                return
        else:
            watch.end(message.ended)
            if self._obeys_another(worker):
                self._refuse(worker, message.epoch)
                return
            obeyed = self._obeyed()
            if obeyed is None and not message.appointed and self._bullies(worker):
                self._refuse(worker, message.epoch, above=True)
                if isinstance(role, Waiting):
                    server.stand(f"{worker}, which is below it, wants to lead")
                return
        again = isinstance(role, Waiting) and role.halter == worker
        if message.epoch < node.promised or (message.epoch == node.promised and not again):
            self._refuse(worker, message.epoch)
            return
        node.promise(message.epoch)
        server.become_waiting(f"{worker} forms epoch {message.epoch}")
        watch.forget_leader()
        if isinstance(server.role, Waiting):
            server.role.halted_by(worker)
        halted = m.Halted(node.member, message.epoch, message.round, node.standing)
        node.send_when_stored(worker, halted)

    def _obeys_another(self, worker: WorkerName) -> bool:
        """Whether this worker obeys somebody whom the sender is not above."""
        obeyed = self._obeyed()
        if obeyed is None or obeyed == worker:
            return False
        return not self._server.node.order.is_above(worker, obeyed)

    def _bullies(self, worker: WorkerName) -> bool:
        """Whether the sender has to leave it to this worker, which is above it and can lead."""
        server = self._server
        return server.node.is_above(worker) and server.node.may_stand and not server.watch.is_modest

    def _on_hand_over(self, message: m.HandOver, worker: WorkerName) -> None:
        server = self._server
        watch, role = server.watch, server.role
        is_mine = (watch.leader, watch.leader_epoch) == (worker, message.epoch)
        if isinstance(role, Waiting) and is_mine and server.node.may_stand:
            watch.end(message.epoch)
            server.form(f"{worker} handed over", appointed=True)

    # From coordinators, and to them

    def _on_leader_mail(self, message: LeaderMail, worker: WorkerName) -> None:
        server = self._server
        node, watch, role = server.node, server.watch, server.role
        epoch = message.epoch
        if watch.is_over(epoch):
            return  # sent before it died or handed over: must not bring it back to life
        if isinstance(role, Candidate) and role.is_asking_beside(worker):
            watch.heard(worker, epoch, appointed=watch.appointed)
            return
        if isinstance(role, Leading):
            if not role.meet(worker, epoch):
                if server.role is role:
                    self._refuse(worker, epoch)
                return
        elif epoch < node.promised or (watch.hears is not None and self._obeys_another(worker)):
            self._refuse(worker, epoch)
            return
        self._follow(message, worker)

    def _follow(self, message: LeaderMail, worker: WorkerName) -> None:
        server = self._server
        watch = server.watch
        appointed = watch.appointed and watch.leader_epoch == message.epoch
        if isinstance(message, m.Coordinator | m.Beat):
            appointed = message.appointed
        if isinstance(message, m.Beat):  # before it is heard: its lease is by this very time-out
            watch.beat(message.timeout, message.round_trip)
        waiting = server.follow(worker, message.epoch, appointed=appointed)
        receiving = waiting.receiving
        match message:
            case m.Coordinator():
                waiting.on_coordinator(message, worker)
            case m.Beat():
                waiting.on_beat(message, worker)
            case m.Copy():
                if receiving is not None:
                    receiving.on_copy(message)
            case m.WholeCopy():
                if receiving is not None:
                    receiving.on_whole(message)
            case _:
                assert_never(message)

    def _on_copy_answer(self, message: m.Copied | m.ChunkWanted, worker: WorkerName) -> None:
        role = self._server.role
        if isinstance(role, Leading) and message.epoch != role.epoch:
            return
        if isinstance(role, Leading | Waiting):
            if isinstance(message, m.Copied):
                role.on_copied(message, worker)
            else:
                role.on_wanted(message, worker)


def _give_coordinator(leading: Leading, message: ToCoordinator, worker: WorkerName) -> None:
    match message:
        case m.Joined():
            leading.on_joined(message, worker)
        case m.BeatAnswer():
            leading.on_beat_answer(message, worker)
        case _:
            assert_never(message)
