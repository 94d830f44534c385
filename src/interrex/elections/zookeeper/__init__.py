"""Election and replicated state on a ZooKeeper ensemble: a line of ephemeral nodes, a breadcrumb
that names the active one, a log of nodes."""
