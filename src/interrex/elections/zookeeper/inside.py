"""What a trace shows of an election by ZooKeeper."""

from interrex.elections.coordinated.inside import CoordinatedState, shared_by_all
from interrex.elections.coordinated.payload import decode_payload
from interrex.elections.inside import Inside
from interrex.elections.zookeeper.zookeeper import ZooKeeper


class ZooKeeperState(CoordinatedState, frozen=True, kw_only=True):
    """``session`` is 0 for none, ``node`` empty; ``granted_ms`` is 0 without a session."""

    session: int
    granted_ms: int
    node: str


def _state(election: ZooKeeper) -> ZooKeeperState:
    session = election._session
    return ZooKeeperState(
        **shared_by_all(election),
        session=0 if session is None else session.session,
        granted_ms=0 if session is None else session.granted_ms,
        node=election._node,
    )


INSIDE = Inside(_state, decode_payload)
