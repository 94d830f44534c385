"""The embedded Raft election: one pure state machine, cut by role.

``raft`` is the way in; a role lives in ``follower``, ``candidate`` or ``leader``; what outlives
roles is in ``node`` (term, vote, log), ``detection`` (what is believed of the leader), ``voting``.
"""

from interrex.elections.raft.raft import Raft
from interrex.elections.raft.settings import RaftSettings, settings_from

__all__ = ["Raft", "RaftSettings", "settings_from"]
