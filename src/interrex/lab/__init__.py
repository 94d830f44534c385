"""The lab: every election meets the same fault, from the same seed, in a simulated world.

Election cores alone, not whole fleets: the very cores that run in production, and those for
learners, over the simulator's agenda, clock, network and disks.

process     one process: a core, its mail and its timer
world       all of them, and what can be done to them
record      what happened: mail, leaders, times
faults      what befalls them
trial       one election under one fault, and what came of it
sweep       how many messages, over the number of processes
report      the page: sequence, plots, and svg under both
"""
