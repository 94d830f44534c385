"""Elections of programs that rest on a service outside: etcd, ZooKeeper, PostgreSQL."""
