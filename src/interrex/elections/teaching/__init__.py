"""Elections for learners: the classics that everybody meets first, as cores that really run.

They speak the contract of all elections (``interrex.elections.interface``), so whoever has read one
of them can read the others, and ``interrex lab`` runs them beside those that fleets elect by. None
of them is for production, and no cluster file can name one: they tolerate no crash and no lost
message, keep nothing on disk and have no log.

chang_roberts        a ring, one direction: the highest number comes round
hirschberg_sinclair  a ring, both directions: ever farther, fewer and fewer
floodmax             any network, in synchronous rounds
bounds               how many messages the papers promise
"""
