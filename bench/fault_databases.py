"""What is done to a server's database: plays, as those of ``fault_plays``."""

import contextlib
import random
import subprocess
from collections.abc import Iterator

import psycopg

from bench.fault_stage import CannotError, Stage, host_of


def database_away(stage: Stage) -> Iterator[None]:
    postgres = stage.postgres()
    stage.serve(database_url=postgres.database())
    yield
    postgres.stop("immediate")
    yield
    postgres.start()


def wrong_password(stage: Stage) -> Iterator[None]:
    postgres = stage.postgres()
    url = postgres.database()
    stage.serve(database_url=url)
    yield
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER ROLE pupila PASSWORD 'another'")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        try:
            yield
        finally:
            connection.execute("ALTER ROLE pupila PASSWORD 'a@secret'")


def slow_database(stage: Stage) -> Iterator[None]:
    proxy = stage.proxy()
    url = host_of(stage.postgres().database(), "127.0.0.1", proxy.port)
    stage.serve(database_url=url)
    yield
    proxy.delay = 2.0
    yield
    proxy.delay = 0.0


def no_dns(stage: Stage) -> Iterator[None]:
    proxy, hosts = stage.proxy(), stage.home / "hosts"
    known = "127.0.0.1 localhost\n127.0.0.1 records.internal\n"
    hosts.write_text(known)
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        raise CannotError("unshare -m is not allowed")
    mount = f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"'
    url = host_of(stage.postgres().database(), "records.internal", proxy.port)
    stage.serve(database_url=url, wrapper=("unshare", "-m", "sh", "-c", mount))
    yield
    hosts.write_text("127.0.0.1 localhost\n")
    proxy.cut()
    yield
    hosts.write_text(known)


def corrupted(stage: Stage) -> Iterator[None]:
    """Every page but the first, of the file and of its log."""
    server = stage.serve()
    yield
    paths = [server.database.with_name(f"records.db{end}") for end in ("", "-wal", "-shm")]
    for path in paths[:2]:
        with contextlib.suppress(OSError), path.open("r+b") as file:
            file.seek(4096 if path == paths[0] else 32)
            file.write(random.randbytes(max(path.stat().st_size - file.tell(), 0)))
    yield
    for path in paths:
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"broken-{path.name}"))
