"""``python -ISs tests/forked.py SOCKET -m MODULE ...``: a command, by the process of ``forks.py``.

What is not ``-m MODULE`` is run by Python itself.
"""

import json
import os
import signal
import socket
import sys


def main() -> None:
    path, *line = sys.argv[1:]
    if line[:1] != ["-m"]:
        os.execv(sys.executable, [sys.executable, *line])  # noqa: S606
    _, module, *arguments = line
    what = {"module": module, "arguments": arguments, "folder": os.getcwd()}  # noqa: PTH109
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(path)
        content = json.dumps(what | {"environment": dict(os.environ)}).encode()
        socket.send_fds(server, [content], [0, 1, 2])
        code = int(server.recv(10) or 70)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
