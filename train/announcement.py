"""What is said once a version is saved."""

import click

from cli import counted
from models.offline.succession import Succession
from settings import settings
from train.fit import TrainingResult


def announce(result: TrainingResult, saved: Succession) -> None:
    """Print where it is, who answers now, and how to ask it."""
    version, manifest = saved.version, saved.version.manifest
    click.echo()
    if result.search is not None:
        click.echo(f"Found by the search: {dict(result.search.winner.parameters)}")
        if result.search.failed:
            click.echo(
                f"Warning: {len(result.search.failed):,} sets of parameters could not be fitted: "
                f"{result.search.failed[0].reason}; fewer --workers leave more memory to each.",
                err=True,
            )
    if manifest.parity is not None and manifest.speed is not None:
        click.echo(
            "Checked: the graph predicts what scikit-learn predicts for "
            f"{counted(manifest.parity.images, 'image')}, {manifest.speed.batch_1:,.1f} times "
            "as fast for a single one."
        )
        if manifest.speed.warning:
            click.echo(f"Warning: {manifest.speed.warning}", err=True)
    click.echo(f"Saved: {version.tag}")
    if saved.failure is not None:
        click.echo(f"Warning: {saved.failure}", err=True)
    for line in saved.lines:
        click.echo(line)
    for picture in sorted(result.candidate.pictures):
        click.echo(f"Picture: {version.path / picture}")
    asked = manifest.name if saved.answers else version.tag
    body = f'{{"request_id": "1", "model": "{asked}", "image": "%s"}}'
    click.echo("Once the server is running (make serve), request a prediction for FILE with:")
    click.echo(
        f"  printf '{body}' \"$(base64 < FILE | tr -d '\\n')\" |\n"
        f"    curl -d @- http://127.0.0.1:{settings().port}/predict/"
    )
