"""How things are said to people. (The ``signal`` module is left alone: it can do things.)"""

from interrex.core.time import MS, S

_SIGNALS = (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
)
"""Linux's signals from 1 on (signal(7)); the few other numberings are of other systems."""


def signal_name(number: int) -> str:
    return _SIGNALS[number - 1] if 1 <= number <= len(_SIGNALS) else f"signal {number}"


def exit_words(status: int | None) -> str:
    """What a wait status (as in ``Exited``) says, to be put after a replica's name."""
    if status is None:
        return "died; its exit status is unknown because it was adopted"
    if status < 0:
        return f"was killed by {signal_name(-status)}"
    return f"exited with status {status}"


def span(ns: int) -> str:
    """A duration."""
    return f"{ns / MS:.0f} ms" if ns < S else f"{ns / S:.1f} s"


def shortened(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8; one that is cut ends in dots."""
    if len(text) * 4 <= most:
        return text
    data = text.encode()
    if len(data) <= most:
        return text
    return data[: most - 3].decode(errors="ignore") + "..."
