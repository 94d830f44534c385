"""The embedded Bully election: one pure state machine, cut by role.

``bully`` is the way in; a role lives in ``waiting``, ``candidate`` or ``coordinator``; what
outlives roles is in ``node`` (promise, copy) and ``watch`` (what is believed of the others).
"""

from interrex.elections.bully.bully import Bully
from interrex.elections.bully.settings import BullySettings, settings_from

__all__ = ["Bully", "BullySettings", "settings_from"]
