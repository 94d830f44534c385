"""What etcd says to a question that it does not answer, and what a person can do about it."""

from interrex.elections.etcd import questions as q

_ADVICE = {
    "database space exceeded": "compact and defragment it, then: etcdctl alarm disarm",
    "user name is empty": "name a user in [cluster.election.etcd], and begin again with that file, "
    "or switch authentication off: etcdctl auth disable",
    "permission denied": "let its user read and write the cluster's keys: etcdctl role "
    "grant-permission",
    "authentication failed": "put the user's password into its password_file",
    "is not to be trusted": "it has to be valid today, to name the host as it is written here, "
    "and to be signed by the given ca",
    "does not take this program's certificate": "give certificate and key of one that it knows",
    "are of two clusters": "leave the others out of [cluster.election.etcd] endpoints, and begin "
    "again with that file",
}
_OTHERWISE = "see to its servers, nothing is to be done here"


def advice(text: str) -> str:
    """What to do, by etcd's own words."""
    return next((do for words, do in _ADVICE.items() if words in text), _OTHERWISE)


def words_of(answer: q.Answer) -> str:
    """Why it is not the answer that was asked for."""
    return answer.text if isinstance(answer, q.Failed) else f"{answer} was not expected"


def may_pass(answer: q.Answer) -> bool:
    """Whether it may be another one the next time with nobody's doing: etcd was just not heard."""
    return isinstance(answer, q.Failed) and answer.certainty is not q.Certainty.REFUSED
