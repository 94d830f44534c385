"""Text that is not shown to whoever looks at what holds it."""


class Secret(str):
    """A password: a string, of which ``repr`` tells nothing, also in what holds it.

    Not guaranteed: that ``str`` hides it. That is what clients are given, who know no subclasses.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'" if self else "''"
