"""The runtime against the real thing: disks, sockets, processes."""
