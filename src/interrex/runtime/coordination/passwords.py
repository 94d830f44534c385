"""The passwords of coordination services' users, as files hold them."""

from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.core.secret import Secret


def password_from(service: str, user: str, file: str) -> Secret:
    """What a file holds; empty where there is no user.

    Raises:
        InterrexError: it cannot be read.
    """
    if not user:
        return Secret()
    try:
        return _read(file)
    except (OSError, ValueError) as error:
        raise InterrexError(
            f"the password of {service}'s user {user} cannot be read: {error}"
        ) from error


def password_now(known: Secret, file: str) -> Secret:
    """What the file holds by now, if there is one: passwords change while workers run.

    Args:
        known: what it held; so it still does where it cannot be read.
    """
    try:
        return _read(file) if file else known
    except (OSError, ValueError):
        return known


def _read(file: str) -> Secret:
    return Secret(Path(file).read_text().rstrip("\n"))
