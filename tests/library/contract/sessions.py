"""Sessions that end at the servers while their client runs, as an administrator would end them."""

from base64 import b64encode

import msgspec
from kazoo.client import KazooClient

from bench.etcd_cluster import EtcdCluster
from bench.postgresql_server import PostgresServer
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.elections.zookeeper.nodes import ACTIVE, Crumb

BITS_48 = 2**48 - 1


def revoke_lease(cluster: EtcdCluster, name: str) -> None:
    """The lease that the leader's key is under."""
    key = b64encode(f"/interrex/elections/{name}/leader".encode()).decode()
    found = cluster.ask(0, "/v3/kv/range", {"key": key})
    (held,) = found["kvs"]
    assert cluster.ask(0, "/v3/lease/revoke", {"ID": held["lease"]})


def close_session(ensemble: ZooKeeperEnsemble, name: str) -> None:
    """The session that the leader's node in the line lives by, taken over by another client."""
    folder = f"/interrex/elections/{name}"
    onlooker = KazooClient(ensemble.hosts)
    onlooker.start()
    try:
        onlooker.sync(folder)
        data, _ = onlooker.get(f"{folder}/{ACTIVE}")
        crumb = msgspec.json.decode(data, type=Crumb)
        session = onlooker.get(f"{folder}/{crumb.node}")[1].ephemeralOwner
    finally:
        onlooker.stop()
        onlooker.close()
    taker = KazooClient(ensemble.hosts, client_id=(session, password_of(session)))
    taker.start()
    try:
        assert taker.client_id[0] == session
    finally:
        taker.stop()
        taker.close()


def password_of(session: int) -> bytes:
    """What ZooKeeper gives a session's client for proof: ``ZooKeeperServer.generatePasswd``, four
    numbers of a ``java.util.Random`` whose seed is made of the session's number."""
    state = (session ^ 0xB3415C00 ^ 0x5DEECE66D) & BITS_48
    password = b""
    for _ in range(4):
        state = (state * 0x5DEECE66D + 0xB) & BITS_48
        password += (state >> 16).to_bytes(4, "little")
    return password


def terminate_backend(server: PostgresServer, name: str) -> None:
    """The session that has locked the leader's token."""
    sql = f"""
        SELECT pg_terminate_backend(pid) FROM pg_locks, interrex_elections
        WHERE name = '{name}' AND locktype = 'advisory' AND granted AND objsubid = 1
        AND classid::bigint = token >> 32 AND objid::bigint = token & 4294967295"""
    assert server.run(sql) == "t"
