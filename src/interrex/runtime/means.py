"""What the kernel refuses a process for want of means, whatever it asked of whom."""

import errno

_NO_MEANS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


def lacks_means(error: BaseException | None) -> bool:
    """Whether an error tells of descriptors, memory or ports that ran out.

    Processes do not count: those of a service's user may run out by what a replica does.
    """
    return isinstance(error, OSError) and error.errno in _NO_MEANS
