"""What can go wrong with an election in somebody's program: each its own type, each says what next.

All are ``InterrexError``: one or two lines for people.
"""

from collections.abc import Iterable

from interrex.core.errors import InterrexError


class ElectionError(InterrexError):
    """Base of all errors of ``interrex.election``."""


class MalformedUrl(ElectionError):  # noqa: N818
    """The URL does not say which election is meant."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url!r} names no election: {why}")


class UnknownScheme(ElectionError):  # noqa: N818
    """No backend goes by this name."""

    def __init__(self, scheme: str, known: Iterable[str]) -> None:
        self.scheme = scheme
        self.known = tuple(known)
        names = ", ".join(f"{name}://" for name in self.known)
        super().__init__(f"no election is called {scheme}://; there are: {names}")


class UnknownOption(ElectionError):  # noqa: N818
    """The URL has an option that its backend does not know, or a value that is none."""

    def __init__(self, option: str, why: str) -> None:
        self.option = option
        super().__init__(f"the option {option!r} of the election's URL: {why}")


class MissingExtra(ElectionError):  # noqa: N818
    """The backend's client library is not installed."""

    def __init__(self, extra: str, module: str) -> None:
        self.extra = extra
        super().__init__(
            f"elections by {extra} need the module {module}\n"
            f"install it with: pip install 'interrex[{extra}]'"
        )


class WrongPeers(ElectionError):  # noqa: N818
    """The members do not list the same peers, or this member is not among them."""


class IdentityTaken(ElectionError):  # noqa: N818
    """Another member goes by the same identity. ``mine`` and ``other`` say who each is."""

    def __init__(self, identity: str, mine: str, other: str) -> None:
        self.identity, self.mine, self.other = identity, mine, other
        super().__init__(
            f"the identity {identity!r} is taken: {other} has it, {mine} asked for it too\n"
            "give each member an identity of its own"
        )


class OtherCluster(ElectionError):  # noqa: N818
    """Whoever answers belongs to an election of another name, or of other beginnings."""

    def __init__(self, mine: str, theirs: str, where: str) -> None:
        self.mine, self.theirs = mine, theirs
        super().__init__(
            f"{where} belongs to the election {theirs!r}, and this member to {mine!r}\n"
            "give each election ports of its own"
        )


class WrongSecret(ElectionError):  # noqa: N818
    """A peer could not prove that it knows the members' shared secret."""


class BadSecret(ElectionError):  # noqa: N818
    """The members' shared secret is needed and not there, is too short, or cannot be read."""


class WrongVersion(ElectionError):  # noqa: N818
    """Another member, or this host's worker, speaks another version. ``mine`` and ``theirs``."""

    def __init__(self, mine: int, theirs: int, where: str) -> None:
        self.mine, self.theirs = mine, theirs
        super().__init__(
            f"{where} speaks version {theirs}, and this program version {mine}\n"
            "let both use the same release of interrex"
        )


class CannotListen(ElectionError):  # noqa: N818
    """This member's own address is another program's, or not this machine's."""


class StateTaken(ElectionError):  # noqa: N818
    """Another member has the state directory."""


class BadState(ElectionError):  # noqa: N818
    """The state directory cannot be made, read or written."""


class Refused(ElectionError):  # noqa: N818
    """The election is not given to this program, for the reason told."""


class NoCluster(ElectionError):  # noqa: N818
    """There is no fleet of this name on this machine, or none that this user may ask."""


class Unreachable(ElectionError):  # noqa: N818
    """None of the servers that the URL lists answers, or none gives a session in time."""


class WrongService(ElectionError):  # noqa: N818
    """What answers is another program, or a version of it that will not do."""


class WrongCertificate(ElectionError):  # noqa: N818
    """The server's certificate does not name its host, or is not by the given authority; or the
    server does not take this program's."""


class BadCertificates(ElectionError):  # noqa: N818
    """The files for TLS cannot be read, or are not what they should be."""


class BadCredentials(ElectionError):  # noqa: N818
    """The service does not know this user or password, or grants it too little."""


class BadTimes(ElectionError):  # noqa: N818
    """The times leave no room for a leader to stop before another may lead; says which, in s."""


class BadMargin(ElectionError):  # noqa: N818
    """The margin leaves nothing of the lease."""

    def __init__(self, margin_s: float, lease_s: float) -> None:
        self.margin_s, self.lease_s = margin_s, lease_s
        super().__init__(
            f"a margin of {margin_s:g} s does not fit into a lease of {lease_s:g} s: the "
            "body would be cancelled before it began\n"
            "take a margin from 0 to less than half of the lease"
        )


class NeedsAsyncio(ElectionError):  # noqa: N818
    """An election was entered under another event loop than asyncio's, as trio's is."""

    def __init__(self) -> None:
        super().__init__(
            "an election runs in a task of asyncio, and there is none here\n"
            "enter it under asyncio.run(...), or take interrex.library.blocking on a thread"
        )


class AlreadyLeading(ElectionError):  # noqa: N818
    """``lead()`` was entered while another ``lead()`` of the same election is open."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            f"{identity!r} is in a lead() already\n"
            "leave it first, or make a second election with an identity of its own"
        )


class AlreadyEntered(ElectionError):  # noqa: N818
    """What is for one ``async with`` was entered a second time."""

    def __init__(self, what: str, another: str) -> None:
        super().__init__(
            f"{what} was entered before, and is for one time only\nmake another: {another}"
        )


class NotLeading(ElectionError):  # noqa: N818
    """What was asked takes the leadership, and this member has none (any more)."""


class UnknownSuccessor(ElectionError):  # noqa: N818
    """Nobody of this identity waits for the leadership."""

    def __init__(self, identity: str, waiting: Iterable[str]) -> None:
        self.identity = identity
        self.waiting = tuple(waiting)
        names = ", ".join(self.waiting) or "nobody"
        super().__init__(f"{identity!r} does not wait for the leadership; who does: {names}")


class ElectionClosed(ElectionError):  # noqa: N818
    """The election is not open: it was left, or not entered yet."""


class StaleEpoch(ElectionError):  # noqa: N818
    """What was to be done belongs to a leadership that a later one has followed: it was not done.

    ``epoch`` is the stale one; ``newest`` the highest that was seen, None where it is not told.
    """

    def __init__(self, epoch: int, newest: int | None) -> None:
        self.epoch, self.newest = epoch, newest
        seen = "a later one" if newest is None else f"{newest}"
        super().__init__(f"epoch {epoch} is refused: {seen} was seen already; nothing was done")
