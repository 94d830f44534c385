"""What elections share that rest on a coordination service outside (etcd, ZooKeeper)."""
