"""Election and replicated state on an etcd cluster: a lease, a guarded key, a log of keys."""
