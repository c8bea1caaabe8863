"""A network of its own for a command, in which every packet to the outside is counted.

A namespace with a loopback and one interface whose other end nobody reads, with the default route:
whatever is sent to any other machine, to a name server or to a proxy goes into it, and is counted.
Linux only, and for those who may make a namespace.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

# Addresses that are nobody's: RFC 5737.
SETUP = """
set -e
# By the file: sysctl is where not every user's PATH leads, and IPv6 looks for neighbours by itself.
{ echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; } 2>/dev/null || true
ip link set lo up
ip link add outside type veth peer name nowhere
ip address add 192.0.2.2/24 dev outside
ip link set outside up
ip link set nowhere up
ip route add default via 192.0.2.1
ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev outside
"$@"
echo "packets: $(cat /sys/class/net/outside/statistics/tx_packets)"
"""
PROXY = "http://192.0.2.1:3128"


def require() -> None:
    """Skips the test where no namespace can be made, unless REQUIRE_NETNS is 1."""
    why = "unshare or ip is missing"
    if sys.platform == "linux" and shutil.which("unshare") and shutil.which("ip"):
        tried = subprocess.run(_in_namespace("true"), capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return
        why = tried.stderr.strip()
    why = f"No network namespace can be made here: {why}"
    pytest.fail(why) if os.environ.get("REQUIRE_NETNS") == "1" else pytest.skip(why)


def _in_namespace(*command: str) -> list[str]:
    # /sys shows the interfaces of whoever mounted it.
    mount = 'mount -t sysfs sysfs /sys && exec sh -c "$0" -- "$@"'
    return ["unshare", "--net", "--mount", "sh", "-c", mount, SETUP, *command]


def packets(
    command: Sequence[str],
    environment: dict[str, str],
    folder: Path,
    descriptors: Sequence[int] = (),
) -> tuple[int, str]:
    """How many packets a command sent to the outside, with all proxies there; and its output.

    ``descriptors``: open files that it is given.
    """
    proxies = {
        name: PROXY
        for lower in ("http_proxy", "https_proxy", "all_proxy")
        for name in (lower, lower.upper())
    }
    done = subprocess.run(
        _in_namespace(*command),
        cwd=folder,
        env=environment | proxies | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=descriptors,
    )
    output, _, count = done.stdout.rpartition("packets: ")
    assert done.returncode == 0, done.stdout
    return int(count), output
