"""Named scenarios: a few planned faults each, and what must come of them beside every promise."""
