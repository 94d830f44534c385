"""What elections that replicate a log share: what waits for the disk, what an entry's bytes mean,
who comes next, for how long a leader may believe in itself, how reads are confirmed.

None of it knows terms or ballots.
"""
