"""Known election times and split-vote rates of Raft beside those that its real core shows.

``published`` holds the formulas of Ongaro's thesis, ``elections`` runs one election of real cores
on a clock of its own, ``comparison`` sets many of them beside the formulas. Run it with
``python -m interrex.simulator.formulas``.

The core runs with ``RaftSettings.paper_elections``: no question before the vote, no order of
succession, no measured time-out; no connection is reported lost and no death proved. What is then
left of the differences, and how each is accounted for:

- The thesis subtracts the heartbeat's phase from the last heartbeat that the leader *completed*
  (its figure 9.1). A crash here therefore loses what the leader has on its way; otherwise every
  time would be one latency longer, and the phase one latency earlier.
- A leader here keeps a lease, and would step down where a heartbeat's answers come later than
  the next but one heartbeat: the latencies compared stay below a quarter of the time-out.
- The thesis' mean time without a split vote adds the first time-out of *any* election to the time
  for the votes. Elections that were not split have an earlier first time-out, the more so the
  greater the latency. So the two parts are measured as they are published: the first time-out
  over all elections, the time for the votes over those that were not split. Beside it stands the
  mean over the elections that were not split alone, with its own expectation, which follows from
  the same order statistics as the thesis' split-vote rate (``published.unsplit_first_timeout``).
- A candidate that a majority refuses draws a new time-out at once, and not when its old one is
  over; that lengthens or shortens what comes after a split vote, so the total time with split
  votes (thesis 9.3), itself an approximation, is not compared.
"""
