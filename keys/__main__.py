"""``python -m keys``: create, list, revoke and rotate the keys that a server accepts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

import cli
from errors import KeysError
from keys.cabinet import cabinet
from keys.options import Names, Rate
from records.key import (
    MAX_DAILY,
    SCOPES,
    Key,
    checked_name,
    checked_scopes,
    digest_of,
    fields_of,
    new_secret,
    rate_text,
)
from records.units import Since
from settings import settings

_file = click.option(
    "--file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep keys in this file, not in the database.  [default: PUPILA_KEYS_FILE]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=cli.Group)
def main() -> None:
    """Keys: who may ask a server, for what, and how often.

    They are kept in the database of the records, or in a file. Servers accept a change within two
    seconds. Only a hash of a key is kept, so a key is shown once.
    """


@main.command()
@click.option("--name", required=True, help="Who gets it: labels that come with it are theirs.")
@click.option(
    "--scope", "scopes", required=True, type=Names(), help=f"Of {', '.join(SCOPES)}; a,b for two."
)
@click.option("--model", "models", type=Names(), help="Only these models.  [default: all]")
@click.option("--rate", type=Rate(), help="Limit of images or labels, such as 50/s or 600/m.")
@click.option(
    "--daily", type=click.IntRange(1, MAX_DAILY), metavar="N", help="Limit for a day, UTC."
)
@click.option(
    "--expires", type=Since(), metavar="TIME", help="For example 90d or 2030-01-31 (UTC)."
)
@_file
def create(
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...] | None,
    rate: float | None,
    daily: int | None,
    expires: timedelta | datetime | None,
    file: Path | None,
) -> None:
    """Create a key, and print it; what is said about it goes to stderr."""
    now = datetime.now(UTC).replace(microsecond=0)
    secret, digest = _new_secret()
    key = Key(
        name=checked_name(name),
        digest=digest,
        scopes=checked_scopes(list(scopes)),
        created_at=now,
        models=models,
        rate=rate,
        daily=daily,
        expires_at=_end(expires, now),
    )
    with cabinet(_chosen(file)) as where:
        where.create(key)
    _show(key, secret)


@main.command(name="list")
@_file
@_json
def list_(file: Path | None, as_json: bool) -> None:
    """Show all keys, those that were revoked too."""
    with cabinet(_chosen(file)) as where:
        keys, used = where.all(), where.used_today()
    if as_json:
        rows = [fields_of(key) | {"used_today": used.get(key.name, 0)} for key in keys]
        click.echo(json.dumps(rows, indent=2))
        return
    if not keys:
        click.echo("There are no keys.")
        return

    from keys.table import keys_table

    cli.console().print(keys_table(keys, used, datetime.now(UTC)))


@main.command()
@click.argument("name")
@_file
def revoke(name: str, file: Path | None) -> None:
    """End a key, for good."""
    with cabinet(_chosen(file)) as where:
        where.revoke(name)
    click.echo(f"Revoked {name}.")


@main.command()
@click.argument("name")
@_file
def rotate(name: str, file: Path | None) -> None:
    """Replace a key by a new one with the same name and limits; the old one ends."""
    secret, digest = _new_secret()
    with cabinet(_chosen(file)) as where:
        key = where.rotate(name, digest)
    _show(key, secret)


def _chosen(file: Path | None) -> Path | None:
    return file or settings().keys_file


def _new_secret() -> tuple[str, bytes]:
    secret = new_secret()
    digest = digest_of(secret.encode())
    assert digest is not None  # noqa: S101 - for the type checker
    return secret, digest


def _end(expires: timedelta | datetime | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    try:
        end = expires if isinstance(expires, datetime) else now + expires
    except OverflowError:
        end = datetime.max.replace(tzinfo=UTC)
    if end <= now:
        raise KeysError(f"{end:%Y-%m-%d %H:%M}, UTC, has passed: a key must expire later.")
    return end


def _show(key: Key, secret: str) -> None:
    parts = [", ".join(key.scopes)]
    parts += [f"only {', '.join(key.models)}"] if key.models else []
    parts += [rate_text(key.rate)] if key.rate else []
    parts += [f"{key.daily:,} a day"] if key.daily else []
    parts += [f"until {key.expires_at:%Y-%m-%d %H:%M}, UTC"] if key.expires_at else []
    click.echo(f"{key.name}: {'; '.join(parts)}. The key is not shown again:", err=True)
    click.echo(secret)


if __name__ == "__main__":
    main(prog_name="python -m keys")
