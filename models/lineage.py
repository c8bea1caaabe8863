"""``python -m models promote``, ``rollback`` and ``history``: who is champion, and who was.

They need the database alone. The store, if it has the model, says whether a version exists.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

import cli
from errors import ModelError, RolloutError, UnknownVersionError
from models.abstention import abstain_option
from models.names import RULE, is_name
from records.routing import Decision

if TYPE_CHECKING:
    from models.store import Store
    from models.version import Version
    from records.database import Database

# As BentoML makes them: what a store that is not here cannot complete.
_WHOLE: Final = re.compile(r"[a-z2-7]{16}")
# The schema of the first database with aliases.
_ALIASES_SINCE: Final = "0003"


def _model(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_name(value):
        raise click.BadParameter(f"{value!r} is not a model's name: {RULE}.")
    return value


def _reason(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise click.BadParameter("say why, for those who will ask.")
    return text


@click.command(cls=cli.Command)
@click.argument("tag")
@click.option(
    "--because", required=True, callback=_reason, metavar="TEXT", help="Why; the history keeps it."
)
@abstain_option
def promote(tag: str, because: str, abstain: float | None) -> None:
    """Make a version the champion; running servers follow within two seconds.

    With --abstain, a copy of it that abstains, saved as a version of its own.
    """
    from records.audit import COMMAND_LINE
    from records.champions import promote as make_champion

    name, version, answering = _chosen(tag)
    if abstain is not None:
        copy = _abstaining(f"{name}:{version}", abstain)
        if copy != version:
            # A rollback leads to the original where that answered.
            version, answering = copy, answering or version
    with _database() as database:
        decision = make_champion(
            database, name, version, actor=COMMAND_LINE, because=because, answering=answering
        )
    if decision.before is None:
        click.echo(f"{name}:{version} is the champion; versions saved after it are candidates.")
        return
    click.echo(f"{name}:{version} is now the champion instead of {name}:{decision.before}.")
    click.echo(f"To go back: python -m models rollback {name}")


@click.command(cls=cli.Command)
@click.argument("model", callback=_model)
@click.option(
    "--because",
    default="no reason given",
    callback=_reason,
    metavar="TEXT",
    help="Why; the history keeps it.",
)
def rollback(model: str, because: str) -> None:
    """Make the champion's predecessor the champion again; ends a rollout of the model."""
    from records.audit import COMMAND_LINE
    from records.champions import rollback as go_back

    # Where the store is another machine's, or cannot be read, it has nothing to say.
    known = {version.version for version in _versions_here(model)[1] or ()} or None
    with _database() as database:
        decision = go_back(database, model, actor=COMMAND_LINE, because=because, known=known)
    click.echo(
        f"{model}:{decision.after} is the champion again, instead of {model}:{decision.before}."
    )


@click.command(cls=cli.Command)
@click.argument("model", callback=_model)
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history(model: str, limit: int, as_json: bool) -> None:
    """Show who was champion when, by whom and why, and the rollouts; newest first."""
    decisions = _decisions(model, limit)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in decisions], indent=2, default=str))
        return
    if not decisions:
        click.echo(f"Nobody has promoted a version of {model} yet: its newest one answers.")
        return

    from models.report import history_table

    cli.console().print(history_table(decisions))


def check_unused(version: "Version") -> None:
    """Raises RolloutError for a version that answers, is on trial, or that a rollback leads to;
    DatabaseError if the database that would know cannot be asked."""
    from records.champions import protected
    from records.current import champions

    name = version.name
    with _existing() as database:
        if database is not None:
            uses = protected(database, name)
        elif (remembered := champions().get(name)) is not None:
            uses = {remembered.champion: "the champion"}
            uses |= {remembered.challenger: "the challenger"} if remembered.challenger else {}
        else:
            uses = {}
    used = uses.get(version.version)
    if used is None:
        return
    instead = {
        "the champion": 'promote another one first: python -m models promote TAG --because "…"',
        "the challenger": f"end its rollout first: python -m rollout abort {name}",
    }.get(used, "it can be deleted once another version was promoted.")
    raise RolloutError(f"{version.tag} is {used}; {instead}")


def _decisions(model: str, limit: int) -> list[Decision]:
    from records.decisions import history as of

    with _existing() as database:
        return of(database, model, limit=limit) if database else []


def _chosen(tag: str) -> tuple[str, str, str | None]:
    """The model, the version, and the version that answers where nobody has decided that."""
    name, _, wanted = tag.partition(":")
    if not is_name(name):
        raise click.BadParameter(f"{name!r} is not a model's name: {RULE}.", param_hint="TAG")
    store, here = _versions_here(name)
    if store is None or not here:
        why = f"has no model {name!r}" if here is not None else "cannot be read"
        if _WHOLE.fullmatch(wanted) is None:
            raise UnknownVersionError(
                f"The store here {why}: write the whole tag of a version that the servers have, "
                f"such as {name}:xz4lnexjhgpq4ax4."
            )
        click.echo(f"The store here {why}: {tag} was not checked.", err=True)
        return name, wanted, None
    version = store.get(tag)
    # A version whose files were altered, or that nobody signed, would answer nowhere.
    version.artifact.verify()
    answering = store.champion(name).version
    # To promote the version that answers anyway is to make those after it candidates.
    return name, version.version, answering if answering != version.version else None


def _abstaining(tag: str, coverage: float) -> str:
    """The version that a copy of this one was saved as; itself if it abstains so."""
    from models.abstaining import Abstaining

    store = open_store()
    version = store.get(tag)
    if version.manifest.abstain == coverage:
        return version.version
    images = store.training_images.read(version.name, version.version)
    saved = store.save(Abstaining(version, coverage), images)
    click.echo(f"Saved: {saved.tag}, which is {tag} and abstains by {coverage:g}.")
    return saved.version


def _versions_here(name: str) -> "tuple[Store | None, list[Version] | None]":
    """The versions in this machine's store; None if it cannot be read."""
    try:
        store = open_store()
        return store, store.versions(name)
    except (ModelError, OSError):
        return None, None


def open_store() -> "Store":
    """Of the command's context, if its caller put one there."""
    from models.store import Store
    from records.current import champions

    return click.get_current_context().find_object(Store) or Store(aliases=champions)


@contextmanager
def _database() -> Iterator["Database"]:
    from records.database import COMMAND_SECONDS, Database

    with Database.of(create=True, timeout=COMMAND_SECONDS) as database:
        database.prepare()
        yield database


@contextmanager
def _existing() -> Iterator["Database | None"]:
    """None if there is none, or one from before there were aliases."""
    from records.database import COMMAND_SECONDS, Database
    from records.engines import file_exists

    with Database.of(timeout=COMMAND_SECONDS) as database:
        if database.file and not file_exists(database.file):
            yield None
            return
        revision = database.revision()
        yield database if revision is not None and revision >= _ALIASES_SINCE else None
