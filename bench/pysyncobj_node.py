"""python -m bench.pysyncobj_node IN_FLIGHT SECONDS TICK_S OWN_PORT PORT PORT: a voter of three.

Default settings, as PySyncObj's README shows it, but for the tick (its default is 0.05 s). Whoever
leads keeps IN_FLIGHT replicated calls under way, prints how many were acknowledged a second, and
goes on living.
"""

import sys
import time

from pysyncobj import SyncObj, SyncObjConf, replicated

WARM_UP_S = 1.0


class Register(SyncObj):  # type: ignore[misc]  # it is untyped
    """Keeps the last value written."""

    def __init__(self, own: str, others: list[str], tick_s: float) -> None:
        super().__init__(own, others, SyncObjConf(autoTickPeriod=tick_s))
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
    in_flight, seconds, tick_s = int(arguments[0]), float(arguments[1]), float(arguments[2])
    own, *others = (f"127.0.0.1:{port}" for port in arguments[3:])
    register = Register(own, others, tick_s)
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
