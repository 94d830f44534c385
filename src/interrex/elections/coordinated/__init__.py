"""What elections share that rest on a coordinator outside (etcd, ZooKeeper): asking it, and asking
again. None of it knows leases or sessions."""
