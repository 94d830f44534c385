"""The families of faults, one file each: how they are drawn, and what they do to a world."""
