"""``python -m demo``: production in fast-forward, from calm to calm."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import click

import cli


@click.command(cls=cli.Command, context_settings={"show_default": True})
@click.option(
    "--seconds",
    type=click.FloatRange(10, 3600),
    default=240.0,
    help="Longest time it may take; then it has failed.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, help="Of the digits, and of how they are sent."
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/demo.png"),
    help="The picture that it ends with.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the totals to this file.",
)
@click.pass_context
def main(
    context: click.Context, seconds: float, seed: int, picture: Path, file: Path | None
) -> None:
    """Watch a model go wrong and come right again, and see that no request fails.

    A server, clients, those who label, and python -m pipeline watch, in a temporary folder: nothing
    of yours is touched. Exits with 0 only if all came true that it promises.
    """
    from demo import pace
    from demo.digits import Digits
    from demo.labels import Labels
    from demo.ledger import Ledger
    from demo.picture import draw
    from demo.place import Place
    from demo.screen import screen
    from demo.story import Story
    from demo.totals import totals
    from demo.traffic import Traffic
    from demo.view import View
    from errors import DemoError

    # As Ctrl-C, even where whoever started this ignores that: the processes end with the block.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    view, shown = View(began, Ledger()), screen()
    failure: DemoError | None = None
    try:
        with ExitStack() as stack:
            stack.callback(shown.close)
            place = stack.enter_context(Place(pace.variables()))
            story = Story(place, Digits.split(seed), view, shown, began + seconds)
            story.begin(seed)
            labels = Labels(place.client, place.home, seed)
            stack.callback(labels.close)
            story.tell(stack.enter_context(Traffic(place.url, seed)), labels)
    except DemoError as error:
        failure = error
    found = totals(view, time.monotonic() - began)
    draw(view, found, picture)
    if file is not None:
        file.write_text(f"{found.json()}\n", encoding="utf-8")
    for one in found.promises:
        click.echo(f"{'kept  ' if one.kept else 'BROKEN'}  {one.text}")
    click.echo(f"Picture: {picture}")
    click.echo(found.line())
    if failure is not None:
        raise failure
    context.exit(0 if found.kept else 1)


if __name__ == "__main__":
    main(prog_name="python -m demo")
