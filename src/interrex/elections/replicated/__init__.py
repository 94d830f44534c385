"""What elections that replicate a log share: roles and how they change, what is believed of a
leader, heartbeats and the lease, reads, handing over, what waits for the disk, what an entry's
bytes mean.

It speaks of epochs, and knows neither terms nor ballots: an election's own folder holds what its
paper defines, and continues the classes here.
"""
