"""What scenarios expect beside the promises. Times are in election time-outs."""

from itertools import pairwise

from interrex.simulator.scenarios.scenario import Expectation, Tale


def taken_over_within(timeouts: int) -> Expectation:
    """Somebody who did not lead before leads so soon after the first fault."""

    def judge(tale: Tale) -> str:
        later = tale.account.elections(tale.at, tale.account.healed)
        if not later:
            return "nobody took over"
        return _late(later[0].began - tale.at, tale, timeouts, "the next leader leads")

    return judge


def given_up_within(timeouts: int) -> Expectation:
    """Whoever led at the first fault stops so soon, by its own deadline if by nothing else."""

    def judge(tale: Tale) -> str:
        reign = tale.account.leader_at(tale.at)
        if reign is None:
            return "nobody led when the first fault began"
        if reign.ended is None:
            return f"{reign.worker} leads on"
        return _late(reign.ended - tale.at, tale, timeouts, f"{reign.worker} stops to lead")

    return judge


def elections(least: int, most: int) -> Expectation:
    """So many leaderships begin from the first fault to the end."""

    def judge(tale: Tale) -> str:
        reigns = [reign for reign in tale.account.reigns if reign.began > tale.at]
        told = ", ".join(f"{r.worker} in epoch {r.epoch}" for r in reigns)
        if least <= len(reigns) <= most:
            return ""
        return f"{len(reigns)} elections ({told or 'none'}) instead of {least} to {most}"

    return judge


undisturbed = elections(0, 0)
"""Whoever led leads on."""
one_election = elections(1, 1)
"""One take-over, and no other."""


def led_from(*workers: str) -> Expectation:
    """From some time on one of these leads, and still does when the faults end."""

    def judge(tale: Tale) -> str:
        reign = tale.account.leader_at(tale.account.healed)
        leader = reign.worker if reign is not None else "nobody"
        return "" if leader in workers else f"{leader} leads, not {' or '.join(workers)}"

    return judge


def quiet(kind: str) -> Expectation:
    """The journal has no such line after the first fault."""

    def judge(tale: Tale) -> str:
        found = _noted(tale, kind)
        return f"the journal says: {found[0]}" if found else ""

    return judge


def told(*kinds: str) -> Expectation:
    """The journal has such a line, of each of these kinds, after the first fault."""

    def judge(tale: Tale) -> str:
        missing = [kind for kind in kinds if not _noted(tale, kind)]
        return f"the journal never says {' and '.join(missing)}" if missing else ""

    return judge


def processes_live(tale: Tale) -> str:
    """No process of a service or a balancer ends or begins until all is healed."""
    account = tale.account
    ended = [slot for at, slot, _ in account.processes_ended if tale.at < at < account.healed]
    began = [slot for at, slot in account.processes_began if tale.at < at < account.healed]
    text = f"ended: {', '.join(ended)}" if ended else ""
    return f"{text} began: {', '.join(began)}".strip() if ended or began else ""


def adopted(tale: Tale) -> str:
    """Processes whose worker died are taken up alive."""
    found = any(at > tale.at for at, _ in tale.account.adopted)
    return "" if found else "nothing was adopted"


def starts_at_most(most: int) -> Expectation:
    """So many processes are started from the first fault until all is healed."""

    def judge(tale: Tale) -> str:
        account = tale.account
        count = sum(tale.at < at < account.healed for at, _ in account.processes_began)
        return f"{count} processes were started, not {most} at most" if count > most else ""

    return judge


def workers_live(tale: Tale) -> str:
    """No worker's process ends after the first fault."""
    ended = [worker for at, worker in tale.account.workers_ended if at > tale.at]
    return f"ended: {', '.join(ended)}" if ended else ""


def refused(*words: str) -> Expectation:
    """All that was asked for after the first fault is refused, for each of these reasons."""

    def judge(tale: Tale) -> str:
        answers = [answer for at, answer in tale.account.answers if at >= tale.at]
        done = [answer for answer in answers if answer.ok]
        if done:
            return f"{len(done)} of {len(answers)} changes were not refused"
        unsaid = [word for word in words if not any(word in answer.text for answer in answers)]
        return f"no answer says {' or '.join(unsaid)}" if unsaid else ""

    return judge


def changes_again_within(timeouts: int) -> Expectation:
    """Whoever led at the first fault takes changes so soon: no longer is none done."""

    def judge(tale: Tale) -> str:
        done = [at for at, answer in tale.account.answers if answer.ok and answer.index is not None]
        gaps = [(later - at, at) for at, later in pairwise(done) if later > tale.at]
        if not gaps:
            return "nothing was done after the first fault"
        return _late(max(gaps)[0], tale, timeouts, "the next change is done")

    return judge


def _late(took: int, tale: Tale, timeouts: int, what: str) -> str:
    if took <= timeouts * tale.timeout:
        return ""
    return f"{what} after {took / tale.timeout:.1f} election time-outs, not within {timeouts}"


def _noted(tale: Tale, kind: str) -> list[str]:
    return [note.text for at, note in tale.account.notes if note.kind == kind and at > tale.at]
