"""The file descriptors of a worker: each connection takes one, and so does each open file."""

import logging
import resource

logger = logging.getLogger("pupila.descriptors")

# For the store, the database, the log and the sockets of a worker.
RESERVED = 128


def connections(wanted: int, ports: int = 1) -> int:
    """How many connections a worker may hold at each of its ports with the descriptors it is
    allowed.

    Raises this process's soft limit as far as its hard limit allows. Beyond the limit nothing could
    be accepted or opened any more: better to hold fewer connections, and to say so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * ports + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max(16, (soft - RESERVED) // ports)
    logger.warning(
        "The limit of %d open files allows %d connections to a worker, not the %d of "
        "PUPILA_MAX_CONNECTIONS; raise it with ulimit -n.",
        soft,
        possible,
        wanted,
    )
    return possible
