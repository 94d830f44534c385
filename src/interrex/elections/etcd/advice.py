"""What a person can do about what etcd says."""

_ADVICE = {
    "database space exceeded": "compact and defragment it, then: etcdctl alarm disarm",
    "user name is empty": "name a user in [cluster.election.etcd], and begin again with that file, "
    "or switch authentication off: etcdctl auth disable",
    "permission denied": "let its user read and write the cluster's keys: etcdctl role "
    "grant-permission",
    "authentication failed": "put the user's password into its password_file, and start the "
    "workers again",
}
_OTHERWISE = "see to its servers, nothing is to be done here"


def advice(text: str) -> str:
    """What to do, by etcd's own words."""
    return next((do for words, do in _ADVICE.items() if words in text), _OTHERWISE)
