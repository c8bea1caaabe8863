"""``python -m rollout``: start, watch and end the rollout of a challenger."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

import cli
from errors import DatabaseError, RolloutError
from records.audit import COMMAND_LINE
from rollout.rule import SHADOW
from rollout.terminal import open_database, open_store

if TYPE_CHECKING:
    from records.database import Database
    from records.rollouts import Ending
    from records.routing import Rollout
    from rollout.verdict import GateVerdict

_MAX_COUNT = 1_000_000

_because = click.option(
    "--because", metavar="TEXT", default="asked for", show_default=True, help="Why; it is kept."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_html = click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the verdict as a page."
)


@click.group(cls=cli.Group)
def main() -> None:
    """Bring a challenger to champion: in the shadow, then with 5, 25 and 50% of the requests.

    Servers follow within two seconds. The guard moves it on, or rolls it back; see guard. MODEL is
    a name, such as clf.
    """


@main.command()
@click.argument("tag")
@_because
@click.option(
    "--shadow",
    type=click.FloatRange(0, 1, min_open=True),
    default=SHADOW,
    show_default=True,
    metavar="SHARE",
    help="Proportion of requests that both versions classify.",
)
@click.option("--anyway", is_flag=True, help="Even if labels differ, or the gate refuses it.")
@_html
def start(tag: str, because: str, shadow: float, anyway: bool, html: Path | None) -> None:
    """Judge a version by the gate and begin its rollout, in the shadow."""
    from rollout.starting import begin
    from settings import settings

    with open_database() as database:
        started = begin(
            database,
            open_store(),
            tag,
            settings(),
            actor=COMMAND_LINE,
            because=because,
            shadow=shadow,
            anyway=anyway,
        )
    _write_page(html, started.verdict)
    rollout = started.rollout
    click.echo(f"The gate: {cli.printable(started.verdict.because)}.")
    click.echo(
        f"Rollout {rollout.id} of {rollout.model}:{rollout.challenger} has begun in the shadow. "
        "Its guard: python -m rollout guard --watch"
    )


@main.command()
@click.argument("model", required=False)
@_json
def status(model: str | None, as_json: bool) -> None:
    """Show the rollouts that are going on, and what their guards have seen."""
    from records import rollouts

    now = datetime.now(UTC)
    with open_database() as database:
        going_on = rollouts.rollouts(database, model, active=True)
        if not going_on:
            nothing = "No rollout is going on; begin one with: python -m rollout start TAG"
            click.echo("[]" if as_json else nothing)
            return
        # The guard's tests need SciPy.
        from rollout.step import look
        from settings import settings

        found = [(rollout, look(database, rollout, settings(), now)) for rollout in going_on]
    if as_json:
        rows = [{"rollout": asdict(one), "guard": asdict(decision)} for one, decision in found]
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    from rollout.table import status_table

    for rollout, decision in found:
        cli.console().print(status_table(rollout, decision, now))


@main.command()
@click.argument("model")
@_because
def pause(model: str, because: str) -> None:
    """Give all requests to the champion until resume."""
    from records import rollouts

    with _running(model) as (database, seen):
        rollouts.pause(database, seen, actor=COMMAND_LINE, because=because)
    click.echo(f"Paused rollout {seen.id} of {model}:{seen.challenger}.")


@main.command()
@click.argument("model")
@_because
def resume(model: str, because: str) -> None:
    """Go on with a paused rollout."""
    from records import rollouts

    with _running(model) as (database, seen):
        rollouts.resume(database, seen, actor=COMMAND_LINE, because=because)
    click.echo(f"Rollout {seen.id} of {model}:{seen.challenger} goes on.")


@main.command()
@click.argument("model")
@_because
def promote(model: str, because: str) -> None:
    """Make the challenger the champion now."""
    _finish(model, "gain", because)
    click.echo(f"It is the champion. To go back: python -m models rollback {model}")


@main.command()
@click.argument("model")
@_because
def abort(model: str, because: str) -> None:
    """End the rollout; the champion stays."""
    _finish(model, "abort", because)
    click.echo("The champion answers all requests.")


@main.command()
@click.argument("model", required=False)
@click.option(
    "--limit", type=click.IntRange(1, _MAX_COUNT), default=30, show_default=True, metavar="N"
)
@_json
def history(model: str | None, limit: int, as_json: bool) -> None:
    """Show what was decided, newest first, and why."""
    from records.decisions import history as decided
    from rollout.table import decisions_table

    with open_database() as database:
        rows = decided(database, model, limit=limit)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    if not rows:
        click.echo("Nothing was decided yet.")
        return
    cli.console().print(decisions_table(rows))


@main.command()
@click.argument("model")
@_html
@_json
def verdict(model: str, html: Path | None, as_json: bool) -> None:
    """Show the gate's last verdict on a challenger of a model."""
    from records.verdicts import verdicts
    from rollout.table import verdict_tables
    from rollout.verdict import GateVerdict

    with open_database() as database:
        rows = verdicts(database, model, limit=1)
    if not rows:
        raise RolloutError(f"The gate has judged no version of model {model!r} yet.")
    found = GateVerdict.model_validate_json(rows[0].body)
    _write_page(html, found)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    for table in verdict_tables(found):
        cli.console().print(table)


@main.command()
@click.option("--model", metavar="NAME", help="Only this model.  [default: all]")
@click.option("--watch", is_flag=True, help="Keep on until interrupted.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    default=10.0,
    show_default=True,
    help="Between two looks.",
)
def guard(model: str | None, watch: bool, seconds: float) -> None:
    """Judge the rollouts that are going on, once: move them on, or roll them back.

    Several guards may run at once; each decision is taken by one.
    """
    from rollout.step import steps
    from settings import settings

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT) if watch else ():
        signal.signal(number, lambda *_: stop.set())
    said: dict[int, str] = {}
    with open_database() as database:
        while not stop.is_set():
            try:
                for step in steps(database, settings(), model):
                    text = step.decision.because
                    # A watch says what is new.
                    if said.get(step.rollout.id) != text or step.asked:
                        said[step.rollout.id] = text
                        click.echo(_line(step.rollout.model, step.decision.what, text, step.asked))
            except DatabaseError as error:
                if not watch:
                    raise
                click.echo(f"Error: {error}", err=True)
            if not watch:
                return
            stop.wait(seconds)


def _finish(model: str, ending: "Ending", because: str) -> None:
    from records import rollouts

    with _running(model) as (database, seen):
        rollouts.finish(database, seen, ending, actor=COMMAND_LINE, because=because)
    click.echo(f"Ended rollout {seen.id} of {model}:{seen.challenger}.")


@contextmanager
def _running(model: str) -> Iterator[tuple["Database", "Rollout"]]:
    """The rollout of a model that is going on. Raises RolloutError if there is none."""
    from records import rollouts

    with open_database() as database:
        yield database, rollouts.running(database, model)


def _line(model: str, what: str, because: str, asked: int) -> str:
    now = datetime.now(UTC)
    named = f"; {asked} images were named to label first" if asked else ""
    return f"{now:%Y-%m-%dT%H:%M:%SZ} {model} {what}: {cli.printable(because)}{named}"


def _write_page(path: Path | None, verdict: "GateVerdict") -> None:
    if path is not None:
        from rollout.page import write

        write(verdict, path)


if __name__ == "__main__":
    main(prog_name="python -m rollout")
