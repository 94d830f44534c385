"""What elections that replicate a log share: who comes next, for how long a leader may believe in
itself, how reads are confirmed. None of it knows terms or ballots."""
