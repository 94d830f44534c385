"""Guards: whoever receives a leader's work looks at its epoch, and refuses one that is not newest.

An election alone excludes nobody for certain: a leader may be stopped between its last look at the
clock and its next write. What is written is safe where the receiver compares epochs, in the same
step as it writes. Each module here does that for one kind of receiver, and imports no client.
"""
