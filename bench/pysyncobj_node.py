"""python -m bench.pysyncobj_node IN_FLIGHT SECONDS TICK_S APPEND_S OWN_PORT PORT PORT

A voter of PySyncObj, with the settings of its README but for the times of a tick and between two
messages of the leader. Whoever leads keeps IN_FLIGHT replicated calls under way, prints how many
were acknowledged a second, and goes on living.
"""

import sys
import time

from pysyncobj import SyncObj, SyncObjConf, replicated

WARM_UP_S = 1.0


class Register(SyncObj):  # type: ignore[misc]  # it is untyped
    """Keeps the last value written."""

    def __init__(self, own: str, others: list[str], tick_s: float, append_s: float) -> None:
        settings = SyncObjConf(autoTickPeriod=tick_s, appendEntriesPeriod=append_s)
        super().__init__(own, others, settings)
        self.acknowledged = 0
        self.value = 0

    @replicated  # type: ignore[untyped-decorator]  # it is untyped
    def put(self, value: int) -> None:
        self.value = value

    def write(self) -> None:
        """One more write, and another when that is acknowledged."""
        self.put(self.acknowledged, callback=self._written)

    def _written(self, _: object, error: object) -> None:
        self.acknowledged += not error
        self.write()


def main(arguments: list[str]) -> None:
    """Runs until it is killed."""
    in_flight, seconds = int(arguments[0]), float(arguments[1])
    tick_s, append_s = float(arguments[2]), float(arguments[3])
    own, *others = (f"127.0.0.1:{port}" for port in arguments[4:])
    register = Register(own, others, tick_s, append_s)
    while not register.isReady():
        time.sleep(0.05)
    time.sleep(WARM_UP_S)
    if register._isLeader():
        for _ in range(in_flight):
            register.write()
        time.sleep(WARM_UP_S)
        before, began = register.acknowledged, time.perf_counter()
        time.sleep(seconds)
        print((register.acknowledged - before) / (time.perf_counter() - began), flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1:])
