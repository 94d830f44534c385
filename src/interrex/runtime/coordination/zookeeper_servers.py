"""Who the servers of an ensemble are, before anybody is led by them."""

import asyncio

from interrex.core.errors import InterrexError
from interrex.runtime.coordination.certificates import certificate_problem
from interrex.runtime.coordination.interface import Unreachable, WrongService
from interrex.runtime.coordination.zookeeper_access import ZooKeeperAccess, tls_of

OLDEST = (3, 5)
"""The oldest ZooKeeper that is known to do."""


async def introduce(access: ZooKeeperAccess) -> None:
    """Whether these servers are ZooKeeper's; one that fits is enough.

    Raises:
        Unreachable: none of them answers.
        WrongService: what answers is no ZooKeeper, or too old a one.
        WrongCertificate: its certificate does not fit, or it does not take ours.
        BadCertificates: the own ones cannot be used.
    """
    # All at once: one that says nothing hides none of the others.
    asking = [asyncio.create_task(_problem_at(host, access)) for host in access.hosts]
    problems: list[InterrexError] = []
    try:
        for answer in asyncio.as_completed(asking):
            problem = await answer
            if problem is None:
                return
            problems.append(problem)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
    telling = (one for one in problems if not isinstance(one, Unreachable))
    raise next(telling, problems[0])


async def _problem_at(host: str, access: ZooKeeperAccess) -> InterrexError | None:
    """What is wrong with one server."""
    try:
        async with asyncio.timeout(access.session):
            return _judge(host, await _said_by(host, access))
    except (OSError, TimeoutError) as error:
        text = f"{host}: {str(error) or 'no answer in time'}"
        return certificate_problem(host, error) or Unreachable(text)


async def _said_by(host: str, access: ZooKeeperAccess) -> str:
    """A server's own account of itself."""
    name, _, port = host.rpartition(":")
    context = tls_of(access)
    reader, writer = await asyncio.open_connection(name.strip("[]"), int(port), ssl=context)
    try:
        writer.write(b"srvr")
        said = await reader.read(4096)
        if not said:  # by what forwards to no server, or by one that is full
            raise ConnectionError("it hangs up without a word")
        return said.decode(errors="replace")
    finally:
        writer.close()


def _judge(host: str, text: str) -> InterrexError | None:
    """What is wrong with a server that said this of itself."""
    if text.startswith("Zookeeper version: "):
        version = text.split()[2].split("-")[0]
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
        if numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return WrongService(f"ZooKeeper at {host} is {version}, and {oldest} is the oldest")
        return None
    if "whitelist" in text or "not currently serving" in text:
        return None  # it does not say, or will serve later
    return WrongService(f"what answers at {host} is no ZooKeeper")
