"""Members that elect among themselves, inside the programs: no other process is needed."""
