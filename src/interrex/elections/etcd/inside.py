"""What a trace shows of an election by etcd."""

from interrex.elections.coordinated.inside import CoordinatedState, shared_by_all
from interrex.elections.coordinated.payload import decode_payload
from interrex.elections.etcd.etcd import Etcd
from interrex.elections.inside import Inside


class EtcdState(CoordinatedState, frozen=True, kw_only=True):
    """``lease`` is 0 for none, ``revision`` 0 before the first reading."""

    lease: int
    revision: int


def _state(election: Etcd) -> EtcdState:
    return EtcdState(
        **shared_by_all(election),
        lease=election._session.lease or 0,
        revision=election._view.revision,
    )


INSIDE = Inside(_state, decode_payload)
