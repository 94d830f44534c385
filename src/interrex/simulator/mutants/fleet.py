"""Bugs in orchestration: placing, replacing, routes."""

from interrex.simulator.mutants.mutant import bug

_ASSIGNMENTS = "interrex.orchestration.assignments"
_LEADER = "interrex.orchestration.leader"
_PLACEMENT = "interrex.orchestration.placement"
_ROLLOUT = "interrex.orchestration.rollout"
_ROUTING = "interrex.orchestration.routing"
_STATE = "interrex.core.state"

FLEET = (
    bug(
        "placed-on-the-lost",
        "Slots are placed on workers that are connected; here also on those that are gone.",
        _PLACEMENT,
        "            for worker in self._fleet.connected(host)\n"
        "            if worker in self._asked_for",
        "            for worker, view in sorted(self._fleet.workers.items())\n"
        "            if host in (None, view.host) and worker in self._asked_for",
    ),
    bug(
        "surplus-not-removed",
        "Replicas that are asked for no more are stopped; here they run on.",
        _PLACEMENT,
        "        return service is not None and number_of(slot) < service.spec.replicas\n",
        "        return service is not None\n",
    ),
    bug(
        "evicted-not-remembered",
        "What was moved away from a lost host is stopped there when it is back; here forgotten.",
        _STATE,
        "                state.evicted = (*state.evicted, gone)\n",
        "                state.evicted = (*state.evicted,)\n",
    ),
    bug(
        "evicted-not-stopped",
        "What was moved away from a lost host is stopped there when it is back; here left alone.",
        _ASSIGNMENTS,
        "        if worker == _stopper(fleet, placement)\n",
        '        if worker == _stopper(fleet, placement) == ""\n',
    ),
    bug(
        "port-given-twice",
        "A port belongs to one slot of a host; here several new slots get the same one.",
        _PLACEMENT,
        "                used.add(port)\n",
        "",
    ),
    bug(
        "port-free-while-in-use",
        "A slot being stopped, or evicted, keeps its port; here it is given away at once.",
        _STATE,
        "        for placement in (*state.placements.values(), *state.evicted)\n"
        "        if placement.host == host\n",
        "        for placement in (*state.placements.values(), *state.evicted)\n"
        "        if placement.host == host and placement.wanted\n",
    ),
    bug(
        "port-free-before-all-confirmed",
        "A port is given away when every balancer has confirmed new routes; here before.",
        _ROLLOUT,
        "    if not confirmed.but_lost:\n        return\n",
        "    confirmed.everywhere = True\n",
    ),
    bug(
        "barred-port-given-away",
        "A barred port goes to its own service only; here to any.",
        _PLACEMENT,
        "            if self._barred.get((host, port), service) == service:\n",
        "            if port:\n",
    ),
    bug(
        "barred-port-never-free",
        "A barred port is free once every balancer has confirmed; here never.",
        _ROLLOUT,
        "            yield FreePort(barred)\n",
        "            yield from ()\n",
    ),
    bug(
        "lost-host-keeps-what-leaves",
        "A lost host's balancers keep ports, and no slot from being forgotten; here both.",
        _ROLLOUT,
        "            self.but_lost &= current or fleet.host_is_lost("
        "placement.host, state.spec.timing, now)\n",
        "            self.but_lost &= current\n",
    ),
    bug(
        "departing-host-at-its-own-address",
        "A host that is being left is reached by its address; here the asker's own is said.",
        _ROUTING,
        "    for declared in (*hosts_of(state.spec), *state.departing):\n",
        "    for declared in hosts_of(state.spec):\n",
    ),
    bug(
        "routes-under-an-old-number",
        "New routes have a new number; here balancers that follow older ones count as up to date.",
        _LEADER,
        "                self._routes_version = self.issued\n",
        "                self._routes_version = self._routes_version or self.issued\n",
    ),
    bug(
        "routes-not-renewed",
        "Routes follow what is placed and ready; here each host's first ones stay.",
        _LEADER,
        "            if routes != self._routes.get(host):\n",
        "            if host not in self._routes:\n",
    ),
    bug(
        "rollout-stops-two",
        "One slot of a service is replaced at a time, while the others are ready; here several.",
        _ROLLOUT,
        "        return outdated[0] if all(_serves(fleet, p) for p in wanted) else None\n",
        "        return outdated[0]\n",
    ),
    bug(
        "rollout-never-ends",
        "A slot that has drained is replaced; here it drains for ever.",
        _ROLLOUT,
        "                yield Advance(slot)\n",
        "                yield from ()\n",
    ),
    bug(
        "new-identity-not-let-in",
        "A worker that lost its log votes again under a new identity; here it is never let in.",
        _LEADER,
        "            if fleet.members.get(worker) != wanted:\n",
        "            if fleet.members.get(worker) != wanted and wanted is None:\n",
    ),
    bug(
        "departing-host-forgotten",
        "A host that is being left stays known until its workers are gone; here with the file.",
        _STATE,
        "    state.departing = tuple(host for host in hosts if host.name in there)\n",
        "    state.departing = tuple(host for host in hosts if host.name in named - there)\n",
    ),
    bug(
        "dismissed-before-it-is-agreed",
        "A leaving worker is dismissed once it is agreed that it votes no more; here once asked.",
        _LEADER,
        "            votes = worker in fleet.members or worker == self._granting\n",
        "            votes = worker in fleet.members\n",
    ),
    bug(
        "unconfirmed-port-not-barred",
        "A port to which a lost host's balancers may send is barred; here it is simply free.",
        _ROLLOUT,
        "            yield BarPort(port_of(placement))\n",
        "",
    ),
)
