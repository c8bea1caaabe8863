"""``python -m pipeline watch`` and ``once``: the loop, unattended."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

import cli
from pipeline.alive import LOOK_SECONDS, Alive
from pipeline.event import Event, Task
from records.units import Interval

if TYPE_CHECKING:
    from pipeline.loop import Loop


Say = Callable[[Event], None]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Of both commands."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="A line of JSON for each event."),
        click.option(
            "--html",
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="The monitor's report as a page: a file, or a folder for one file per model.",
        ),
        click.option(
            "--every",
            type=Interval(),
            default="1h",
            show_default=True,
            metavar="AGE",
            help="Between two inspections of a model, such as 15m or 1d.",
        ),
        click.option(
            "--task",
            "tasks",
            type=click.Choice(get_args(Task)),
            multiple=True,
            help="Only this task; may be repeated.  [default: all]",
        ),
        click.option("--model", metavar="NAME", help="Only this model.  [default: all]"),
    ):
        command = option(command)
    return command


@click.command(cls=cli.Command)
@_options
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    default=10.0,
    show_default=True,
    help="Between two looks of a task.",
)
@click.option(
    "--alive",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file for health checks: it holds the second, since 1970, until which all is well.",
)
def watch(
    seconds: float,
    alive: Path | None,
    model: str | None,
    tasks: tuple[Task, ...],
    every: timedelta,
    html: Path | None,
    as_json: bool,
) -> None:
    """Look after the models until interrupted: inspect, retrain, judge, roll out and guard.

    Three tasks run side by side, or each in a process of its own with --task. monitor inspects the
    traffic and asks for labels; retrain makes a challenger when there is a reason, and begins its
    rollout if the gate allows it; guard moves rollouts on, or rolls them back. All that they know
    is in the database: stopped at any moment and started again, anywhere, they go on.
    """
    with _loop(every, model, html) as loop:
        say = _speaker(as_json, news_only=True)
        names = _tasks(tasks)
        limits = {"retrain": loop.settings.retrain_seconds + LOOK_SECONDS}
        signs = Alive(alive, lambda task: limits.get(task, LOOK_SECONDS))
        with ThreadPoolExecutor(len(names)) as pool:
            running = [pool.submit(_keep_on, loop, task, seconds, say, signs) for task in names]
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            # Where one has failed as none should, whoever starts this process starts it anew.
            loop.stop.set()
        for future in done:
            future.result()


@click.command(cls=cli.Command)
@_options
@click.option(
    "--fail-on-alarm/--no-fail-on-alarm",
    default=False,
    show_default=True,
    help="Exit with 3 on an alarm of the monitor.",
)
@click.pass_context
def once(
    context: click.Context,
    fail_on_alarm: bool,
    model: str | None,
    tasks: tuple[Task, ...],
    every: timedelta,
    html: Path | None,
    as_json: bool,
) -> None:
    """Do what there is to do now, and exit: for cron.

    Exits with 1 if something failed, otherwise 0: an alarm is not a failure, unless you say so.
    """
    failed = alarm = False
    with _loop(every, model, html) as loop:
        say = _speaker(as_json, news_only=False)
        for task in _tasks(tasks):
            for event in loop.turn(task, early=True):
                failed = failed or event.fault
                alarm = alarm or bool(event.more.get("alarm"))
                say(event)
    context.exit(cli.ALARM if alarm and fail_on_alarm else int(failed))


def _keep_on(loop: "Loop", task: Task, seconds: float, say: Say, signs: Alive) -> None:
    while not loop.stop.is_set():
        signs.looks(task)
        for event in loop.turn(task):
            say(event)
            signs.looks(task)
        signs.waits(task, seconds)
        loop.stop.wait(seconds)


def _tasks(chosen: Sequence[Task]) -> list[Task]:
    """In the order in which one leads to the next."""
    return [task for task in get_args(Task) if not chosen or task in chosen]


def _speaker(as_json: bool, *, news_only: bool) -> Say:
    """Prints events, from several threads; with ``news_only``, that nothing was done only the first
    time, and a fault as long as it is the same."""
    lock = threading.Lock()
    said: dict[tuple[Task, str | None], tuple[str, str]] = {}

    def say(event: Event) -> None:
        about, text = (event.task, event.model), (event.what, "" if event.quiet else event.because)
        with lock:
            if news_only and (event.quiet or event.fault) and said.get(about) == text:
                return
            said[about] = text
            click.echo(event.json() if as_json else event.line())

    return say


class _Stopped(threading.Event):
    """Set by a signal; at the second one, whoever waits is interrupted at once."""

    def on_signal(self, _number: int, _frame: object) -> None:
        if self.is_set():
            raise KeyboardInterrupt
        self.set()


@contextmanager
def _loop(every: timedelta, model: str | None, html: Path | None) -> Iterator["Loop"]:
    from models.store import Store
    from pipeline.loop import Loop
    from records.database import COMMAND_SECONDS, Database
    from settings import settings

    stop = _Stopped()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    # Of the command's context, if its caller put one there.
    store = click.get_current_context().ensure_object(Store)
    with Database.of(timeout=COMMAND_SECONDS) as database:
        yield Loop(database, store, settings(), every, model, html, stop=stop)
