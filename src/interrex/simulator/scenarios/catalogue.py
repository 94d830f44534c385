"""All scenarios by name."""

from interrex.simulator.scenarios.coordination import COORDINATION
from interrex.simulator.scenarios.leaders import LEADERS
from interrex.simulator.scenarios.proposers import PROPOSERS
from interrex.simulator.scenarios.replicas import REPLICAS
from interrex.simulator.scenarios.scenario import Scenario
from interrex.simulator.scenarios.workers import WORKERS

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (*LEADERS, *PROPOSERS, *COORDINATION, *WORKERS, *REPLICAS)
}
