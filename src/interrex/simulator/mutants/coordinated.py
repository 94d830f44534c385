"""Bugs in the elections that rest on etcd or on ZooKeeper."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_ELECTION = "interrex.elections.coordinated.election"
_ETCD = "interrex.elections.etcd.etcd"
_ETCD_LEADING = "interrex.elections.etcd.leading"
_SESSION = "interrex.elections.etcd.session"
_ETCD_SETTINGS = "interrex.elections.etcd.settings"
_ZOOKEEPER = "interrex.elections.zookeeper.zookeeper"
_LEADING = "interrex.elections.zookeeper.leading"
_SETTINGS = "interrex.elections.zookeeper.settings"
_MEMORY = "interrex.elections.coordinated.memory"

_BELIEVES_ON = Edit(
    _ELECTION,
    "        return self._desk.now < self._trusted_until\n",
    "        return leading is not None\n",
)
"""Alone it is harmless: each step first gives up what has run out."""


def _without_memory(name: str, election: str) -> Mutant:
    return bug(
        name,
        "A worker begins with what was acknowledged in mind; here with what it finds there.",
        _MEMORY,
        "        self._known = msgspec.msgpack.decode(kept, type=Acknowledged) if kept else "
        "Acknowledged()\n",
        "        self._known = Acknowledged()\n",
        "",
        election,
    )


OF_ETCD = (
    bug(
        "etcd-lease-from-the-answer",
        "A lease counts from when its renewal was asked for; here from the answer.",
        _SESSION,
        "        believed = self._settings.believed(ttl_s)\n",
        "        believed, asked = self._settings.believed(ttl_s), self._desk.now\n",
        "Gray and Cheriton, 3",
        "etcd",
    ),
    bug(
        "etcd-lease-without-margin",
        "A lease is believed in for less than was granted, as clocks differ; here for all of it.",
        _ETCD_SETTINGS,
        "        return ttl_s * S * (1000 - self.clock_error_per_mille) // 1000\n",
        "        return ttl_s * S * (1000 + self.clock_error_per_mille) // 1000\n",
        "Gray and Cheriton, 5",
        "etcd",
    ),
    bug(
        "etcd-guard-not-compared",
        "A leader's transactions hold only while the leader's key is its own; here always.",
        _ETCD_LEADING,
        "        self._guard = q.Compare(LEADER, created=epoch)\n",
        '        self._guard = q.Compare("none", created=0)\n',
        "etcd, concurrency API",
        "etcd",
    ),
    bug(
        "etcd-claim-not-compared",
        "The leader's key is made where there is none; here it is written over.",
        _ETCD,
        "            (q.Compare(LEADER, created=0),), (put, q.Get(SNAPSHOT), new), ",
        "            (), (put, q.Get(SNAPSHOT), new), ",
        "etcd, concurrency API",
        "etcd",
    ),
    bug(
        "etcd-unknown-taken-for-done",
        "What was not answered is asked again; here it is taken for done.",
        _ETCD_LEADING,
        "        if not isinstance(answer, q.Transacted):\n            return None\n        leader",
        "        if not isinstance(answer, q.Transacted):\n            return True\n        leader",
        "",
        "etcd",
    ),
    bug(
        "etcd-leads-before-it-has-read",
        "Who leads has read the log up to its epoch; here it leads with what it happens to know.",
        _ETCD,
        "            elif not self._reader.is_current(held.epoch):\n",
        "            elif not self._reader.has_read:\n",
        "",
        "etcd",
    ),
    Mutant(
        "etcd-believes-past-its-lease",
        "Past its deadline a leader does not call itself one; here it waits for etcd to say so.",
        (
            _BELIEVES_ON,
            Edit(
                _SESSION,
                "        if self._lease is not None and now >= self._lease.deadline:\n",
                "        if self._lease is not None and now < 0:\n",
            ),
            Edit(
                _SESSION,
                "            return earliest(lease.deadline, renewal)\n",
                "            return renewal\n",
            ),
        ),
        "Gray and Cheriton, 3",
        "etcd",
    ),
    _without_memory("etcd-begins-without-memory", "etcd"),
)

OF_ZOOKEEPER = (
    bug(
        "zk-session-as-asked",
        "A leader counts on the time-out that was granted; here on the one that files ask for.",
        _SETTINGS,
        "        return granted_ms * MS // 2\n",
        "        return max(granted_ms, 10_000) * MS // 2\n",
        "ZooKeeper Programmer's Guide, sessions",
        "zookeeper",
    ),
    bug(
        "zk-epoch-from-the-node",
        "The epoch is the zxid of the winning write; here it is made of its node's number.",
        _ZOOKEEPER,
        "        return self._log.above + self._line.epoch\n",
        "        crumb = self._line.crumb\n"
        "        return min(self._line.epoch, 0 if crumb is None else int(crumb.node[-10:]) + 1)\n",
        "",
        "zookeeper",
    ),
    Mutant(
        "zk-confirmed-by-one-server",
        "Whether it still leads a leader asks the majority; here the server it is connected with.",
        (
            Edit(
                _LEADING,
                "        return q.Transact(self._guards)\n",
                "        return q.Read(ACTIVE)\n",
            ),
            Edit(
                _LEADING,
                "            case q.Transacted():\n                return True\n",
                "            case q.Transacted():\n                return True\n"
                "            case q.Found(stat=stat):\n"
                "                return stat.version == self._version\n",
            ),
        ),
        "ZooKeeper Programmer's Guide, consistency guarantees",
        "zookeeper",
    ),
    bug(
        "zk-guard-not-checked",
        "A leader's transactions check the breadcrumb and its own node; here nothing.",
        _LEADING,
        "        self._guards = (q.Check(ACTIVE, stat.version), q.Check(crumb.node, 0))\n",
        "        self._guards = ()\n",
        "",
        "zookeeper",
    ),
    bug(
        "zk-unknown-taken-for-done",
        "What was not answered is asked again; here it is taken for done.",
        _LEADING,
        "            case _:\n                return None\n",
        "            case _:\n                return True\n",
        "",
        "zookeeper",
    ),
    Mutant(
        "zk-deadline-not-kept",
        "A leader stops by its own clock; here it waits for its client to say so.",
        (
            _BELIEVES_ON,
            Edit(
                _ZOOKEEPER,
                "        if self._leading is not None and self._desk.now >= self._deadline:\n",
                "        if self._leading is not None and self._desk.now < 0:\n",
            ),
            Edit(
                _ZOOKEEPER,
                "            return earliest(self._deadline, leading.wake_at, reads_at)\n",
                "            return earliest(leading.wake_at, reads_at)\n",
            ),
        ),
        "",
        "zookeeper",
    ),
    bug(
        "zk-leads-before-it-has-read",
        "Who leads has read the log up to its epoch; here it leads with what it happens to know.",
        _ZOOKEEPER,
        "        if self._reader.read_for < stat.modified:\n",
        "        if self._reader.read_for < 0:\n",
        "",
        "zookeeper",
    ),
    bug(
        "zk-write-counted-twice",
        "The tip's version is counted by who writes it; here a reading under way counts it too.",
        _LEADING,
        "        write = q.Write(TIP, tip, self._tip_version)\n",
        "        version = max(self._tip_version, self._reader.tip_version + 1)\n"
        "        write = q.Write(TIP, tip, version if self._last > 1 else self._tip_version)\n",
        "",
        "zookeeper",
    ),
    bug(
        "zk-place-not-left",
        "A leader that must stop ends its session; here the breadcrumb goes on naming it.",
        _ZOOKEEPER,
        "        self._end(reason)\n        self._desk.ask(q.Reset(), lambda answer: None)\n",
        "        self._end(reason)\n",
        "",
        "zookeeper",
    ),
    _without_memory("zk-begins-without-memory", "zookeeper"),
)
