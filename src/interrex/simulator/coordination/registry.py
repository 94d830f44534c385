"""Which simulated coordination service an election needs."""

from collections.abc import Callable

import msgspec

from interrex.core.spec import ClusterSpec
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.coordination.ensemble import Ensemble
from interrex.simulator.observation import Occurrence
from interrex.simulator.plan import CoordinationConditions


def new_ensemble(
    spec: ClusterSpec,
    agenda: Agenda,
    chance: Chance,
    conditions: CoordinationConditions,
    tell: Callable[[Occurrence], None],
) -> Ensemble | None:
    """What the cluster's election asks, None where it asks nobody.

    Args:
        spec: names the election, and as many of the coordination service's servers as there are.
        agenda, chance: the world's.
        conditions: drawn for this run.
        tell: takes what befalls it.
    """
    named = spec.etcd.endpoints if spec.election == "etcd" else spec.zookeeper.hosts
    if named:
        conditions = msgspec.structs.replace(conditions, servers=len(named))
    if spec.election == "etcd":
        from interrex.simulator.coordination.etcd import EtcdCluster

        return EtcdCluster(agenda, chance, conditions, tell, spec.etcd.timeout)
    if spec.election == "zookeeper":
        from interrex.simulator.coordination.zookeeper import ZooKeeperEnsemble

        return ZooKeeperEnsemble(agenda, chance, conditions, tell, spec.zookeeper.session)
    return None
