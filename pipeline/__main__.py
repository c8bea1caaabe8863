"""``python -m pipeline``: the data of a retraining, the retraining, and labels to ask for."""

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

import cli
from errors import PipelineError
from pipeline.watching import once, watch
from train.options import OF_PHOTOS, RECIPES, check_search, search_plan

if TYPE_CHECKING:
    from models.store import Store
    from pipeline.retrain import Outcome
    from records.database import Database
    from records.retrainings import Trigger

NOT_DUE = 4

_WIDTH = 120

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_model = click.option(
    "--model", default="clf", metavar="NAME", show_default=True, help="The model's name."
)
_recipe = click.option(
    "--recipe",
    type=click.Choice((*RECIPES, OF_PHOTOS)),
    help="Instead of the champion's, with its parameters; lda is for photos.",
)
_new_classes = click.option(
    "--accept-new-classes", is_flag=True, help="Learn labels that the champion does not have."
)


@click.group(cls=cli.Group)
def main() -> None:
    """Retrain models on their own images and on labelled records since, by hand or unattended.

    A retraining saves a candidate, which answers nobody until it is promoted or rolled out.
    """


for command in (watch, once):
    main.add_command(command)


@main.command()
@_model
@_recipe
@_new_classes
@_json
def data(model: str, recipe: str | None, accept_new_classes: bool, as_json: bool) -> None:
    """Show what a retraining would train on, what would judge it, and what would be left out."""
    from pipeline import table
    from pipeline.data import Rules, assemble
    from rollout.answering import answering
    from settings import settings

    with _database() as database:
        database.check()
        champion = answering(database, _store(), model)
        # Of photos, minutes.
        click.echo(f"Assembling the data to retrain {champion.tag} ...", err=True)
        found = assemble(
            database,
            _store(),
            champion,
            Rules.of(settings()),
            recipe=recipe,
            accept_new_classes=accept_new_classes,
        )
    if as_json:
        click.echo(table.as_json(found))
    else:
        table.print_data(cli.console(_WIDTH), found)


@main.command()
@_model
@click.option("--if-due", is_flag=True, help="Only if a trigger says so; else exit with 4.")
@_recipe
@_new_classes
@click.option(
    "--search",
    "candidates",
    type=click.IntRange(1),
    metavar="N",
    help="Try N sets of parameters instead of the champion's.",
)
@click.option("--halving", is_flag=True, help="Search on few images first.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes for the search.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Search on the Dask cluster with this scheduler, such as tcp://10.0.0.5:8786.",
)
@click.pass_context
def retrain(
    context: click.Context,
    model: str,
    if_due: bool,
    recipe: str | None,
    accept_new_classes: bool,
    candidates: int | None,
    halving: bool,
    workers: int | None,
    dask: str | None,
) -> None:
    """Retrain the champion, and save what comes of it as a candidate.

    By the champion's recipe and parameters, in a process of its own with limits of time and memory.
    Only one retraining of a model runs at a time. One that was interrupted goes on.
    """
    check_search(candidates, halving=halving, workers=workers, dask=dask)
    from pipeline.retrain import Budget, Wish, run
    from pipeline.table import due_lines
    from pipeline.triggers import TriggerRules, due
    from settings import settings

    plan = search_plan(candidates, halving=halving, workers=workers, dask=dask)
    # As Ctrl-C: what was begun is given back, so that it can go on elsewhere at once.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _database() as database:
        database.prepare()
        trigger: Trigger = "asked"
        reason = "asked for"
        if if_due:
            found = due(database, _store(), model, TriggerRules.of(settings()))
            for line in due_lines(found):
                click.echo(line)
            if found.reason is None:
                context.exit(NOT_DUE)
            trigger, reason = found.reason
        outcome = run(
            database,
            _store(),
            model,
            trigger,
            reason,
            wish=Wish(recipe, plan, accept_new_classes),
            budget=Budget.of(settings()),
        )
    _report(outcome)


@main.command()
@_model
@click.option(
    "--since",
    "hours",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Of the window that the monitor inspects.",
)
@_json
def ask(model: str, hours: int, as_json: bool) -> None:
    """Ask for labels: of some images at random each week, and of those that the monitor names.

    Labels are sent as any other; those that were asked for are told apart by how they were drawn.
    """
    from monitor.asking import ask_named, ask_random
    from monitor.inspection import inspect
    from monitor.window.version import MonitoredVersion
    from records.labelled import open_requests
    from rollout.answering import answering
    from settings import settings

    with _database() as database:
        database.check()
        champion = answering(database, _store(), model)
        now = datetime.now(UTC)
        asked = [ask_random(database, champion, settings().ask_per_week, now)]
        findings = inspect(
            database, MonitoredVersion.of(champion), now - timedelta(hours=hours), now
        )
        asked.append(ask_named(database, findings, settings().ask_per_week, now))
        waiting = open_requests(database, model)
    if as_json:
        rows = [one._asdict() | {"at": one.at.isoformat()} for one in waiting]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in asked:
        click.echo(f"{one.new:,} labels asked for ({one.reason}), {one.before:,} before.")
    click.echo(f"{len(waiting):,} images wait for a label; --json lists them.")


@main.command()
@click.option("--model", metavar="NAME", help="Only this model.  [default: all]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, metavar="N")
def history(model: str | None, limit: int) -> None:
    """Show past retrainings, newest first."""
    from pipeline.table import history_table
    from records.retrainings import retrainings

    with _database() as database:
        database.check()
        rows = retrainings(database, model, limit=limit)
    if not rows:
        click.echo("Nothing was retrained yet.")
        return
    console = cli.console(_WIDTH)
    console.print(history_table(console, rows))


def _report(outcome: "Outcome") -> None:
    made = outcome.retraining
    if outcome.state != "trained" or made is None:
        raise PipelineError(outcome.reason)
    click.echo(f"Saved: {outcome.tag}, a candidate ({outcome.reason}).")
    click.echo(
        f"It answers only who asks for it by this tag. Compare it with the champion: "
        f"python -m models compare {made.model}:{made.champion} {outcome.tag}"
    )


def _database() -> "Database":
    from records.database import COMMAND_SECONDS, Database

    return Database.of(create=True, timeout=COMMAND_SECONDS)


def _store() -> "Store":
    """Of the command's context, if its caller put one there."""
    from models.store import Store

    return click.get_current_context().ensure_object(Store)


if __name__ == "__main__":
    main(prog_name="python -m pipeline")
