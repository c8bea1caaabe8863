"""PgBouncer in front of the tests' PostgreSQL, where it is installed."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.databases import Postgres
from tests.waiting import until

_PORT = 6432
# It refuses to run as root.
_USER = "nobody" if os.geteuid() == 0 else None


@contextlib.contextmanager
def pgbouncer(postgres: Postgres, pool_mode: str) -> Iterator[str]:
    """A URL of the server's database through it, with two connections for all clients; skips or
    fails the test if it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail("PgBouncer is not installed")
        pytest.skip("PgBouncer is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pupila-pgb-", dir=postgres.folder.parent))
    (folder / "users.txt").write_text('"pupila" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\npostgres = host={postgres.folder} dbname=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = {_PORT}\nunix_socket_dir = {folder}\n"
        f"auth_type = trust\nauth_file = {folder}/users.txt\npool_mode = {pool_mode}\n"
        "default_pool_size = 2\nmax_client_conn = 100\n"
    )
    if _USER:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _USER)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")], user=_USER, stdout=log, stderr=log
        )
    try:
        url = f"postgresql://pupila@/postgres?host={quote(str(folder), safe='')}&port={_PORT}"

        def answers() -> bool:
            with contextlib.suppress(psycopg.Error), psycopg.connect(url):
                return True
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            return False

        until(answers, (folder / "log").read_text, seconds=20)
        yield url
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
