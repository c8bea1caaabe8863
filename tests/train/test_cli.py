import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner, Result

import cli
from errors import DatasetError
from models.manifest import Speed
from models.offline.succession import Promote
from models.store import Store
from records.current import champions
from tests.drafts import MeasuringStore
from tests.drawing import draw_folder
from train.__main__ import PROMOTE, main
from train.data_options import LAYOUTS
from train.options import RECIPES as NAMED
from train.reading.layout import Layout
from train.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, store: Store | None = None) -> Result:
    return CliRunner().invoke(main, arguments, obj=store)


def one_sentence(result: Result) -> str:
    """The PupilaError that stderr ends with, after the steps."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    *steps, error = result.stderr.splitlines()
    assert all(step.endswith(" ...") or step.startswith("Recipe") for step in steps)
    assert error.startswith("Error: ")
    return error


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("data") / "shapes", images=20)


@pytest.fixture(scope="module")
def trained(shapes: Path) -> Result:
    broken = shapes / "circle" / "broken.png"
    broken.write_bytes(b"no image")
    result = run("--data", str(shapes), "--recipe", "logistic", "--name", "cli-shapes")
    broken.unlink()
    return result


def test_training_saves_a_version_and_prints_its_tag(trained: Result) -> None:
    assert trained.exit_code == 0, trained.output
    version = Store().champion("cli-shapes")
    assert f"Saved: {version.tag}\n" in trained.stdout
    assert version.manifest.labels == ("circle", "square", "triangle")
    assert version.manifest.image_spec.name == "rgb-64x64:reduced"
    assert version.manifest.data is not None
    assert version.manifest.data.name == "shapes"


def test_training_prints_metrics_and_skipped_files(trained: Result) -> None:
    assert "accuracy " in trained.stdout
    assert "triangle" in trained.stdout
    assert "1 file was skipped:" in trained.stdout
    assert "broken.png" in trained.stdout


def test_training_prints_where_the_pictures_are(trained: Result) -> None:
    paths = [line[9:] for line in trained.stdout.splitlines() if line.startswith("Picture: ")]
    assert [Path(path).name for path in paths] == ["confusion.png", "mistakes.png"]
    assert all(Path(path).is_file() for path in paths)


def test_output_is_plain_without_a_terminal(trained: Result) -> None:
    # On a busy machine, a step that takes long has further lines.
    steps = [line for line in trained.stderr.splitlines() if ": " not in line]
    assert steps == [
        "Loading ...",
        "Fitting ...",
        "Calibrating ...",
        "Converting, checking and saving ...",
    ]
    assert "\x1b" not in trained.stdout
    report = trained.stdout.partition("Checked:")[0]
    assert max(len(line) for line in report.splitlines() if "broken" not in line) <= 80


def test_every_recipe_can_be_named() -> None:
    assert tuple(RECIPES) == NAMED


def test_parts_are_trained_on_and_evaluated_on(tmp_path: Path) -> None:
    draw_folder(tmp_path / "Training", images=8, seed=1, side=16)
    draw_folder(tmp_path / "Testing", images=4, seed=2, side=16)
    options = ("--recipe", "logistic", "--name", "cli-parts", "--holdout", "0.5")
    result = run("--data", str(tmp_path), *options)
    assert result.exit_code == 0, result.output
    assert "--holdout is not used, as the data say what is held out." in result.stderr
    assert "Trained on Training, and evaluated on Testing." in result.stderr
    manifest = Store().champion("cli-parts").manifest
    assert manifest.labels == ("circle", "square", "triangle")
    assert manifest.data is not None
    assert (manifest.data.images, manifest.data.holdout) == (36, 12)


def test_auto_goes_by_what_is_trained_on(tmp_path: Path) -> None:
    """A class of one on each side is of one, which cannot be calibrated."""
    draw_folder(tmp_path / "train", images=8, seed=1, side=16)
    draw_folder(tmp_path / "test", images=4, seed=2, side=16)
    for part in ("train", "test"):
        for file in sorted((tmp_path / part / "circle").iterdir())[1:]:
            file.unlink()
    result = run("--data", str(tmp_path), "--name", "cli-auto-parts")
    assert result.exit_code == 0, result.output
    assert "Recipe: forest, about " in result.stderr
    assert "for 17 images of 768 features in 3 classes." in result.stderr


def test_an_image_in_two_classes_is_refused_unless_allowed(tmp_path: Path) -> None:
    draw_folder(tmp_path, images=5, side=16)
    shutil.copy(tmp_path / "circle" / "000.png", tmp_path / "square" / "same.png")
    options = ("--data", str(tmp_path), "--recipe", "logistic", "--name", "cli-duplicates")
    assert "add --allow-duplicates" in one_sentence(run(*options))
    allowed = run(*options, "--allow-duplicates")
    assert allowed.exit_code == 0, allowed.output
    assert "1 image in two classes: " in allowed.stderr


def test_several_sources_and_groups(tmp_path: Path) -> None:
    for name in ("north", "south"):
        draw_folder(tmp_path / name, images=6, seed=len(name), side=16)
    for file in (tmp_path / "south").rglob("*.png"):
        file.write_bytes(file.read_bytes() + b"0")
    options = [f"--data={tmp_path / name}" for name in ("north", "south")]
    result = run(*options, "--groups", r"\d+", "--recipe", "logistic", "--name", "cli-groups")
    assert result.exit_code == 0, result.output
    assert "6 groups; each is on one side of the split." in result.stderr
    data = Store().champion("cli-groups").manifest.data
    assert data is not None
    assert (data.name, data.images) == ("north+south", 36)
    assert data.holdout % 6 == 0


def test_auto_says_what_it_takes(shapes: Path) -> None:
    result = run("--data", str(shapes), "--image-spec", "rgb-8x8", "--name", "cli-auto")
    assert result.exit_code == 0, result.output
    assert "Recipe: svc, about " in result.stderr
    assert "for 48 images of 192 features in 3 classes." in result.stderr
    assert Store().champion("cli-auto").manifest.recipe == "svc"


def test_the_previous_champion_is_named(shapes: Path) -> None:
    for _ in range(2):
        result = run("--data", str(shapes), "--recipe", "logistic", "--name", "cli-again")
    first, second = Store().versions("cli-again")
    assert f"instead of {first.tag}; to go back: python -m models promote {first.tag}" in (
        result.stdout
    )
    assert f"images that {first.tag} was validated on" in result.stdout
    assert second.manifest.parent == first.tag


def test_whether_it_answers_can_be_chosen(shapes: Path) -> None:
    options = ("--data", str(shapes), "--recipe", "logistic", "--name", "cli-choice")
    store = Store(aliases=champions)
    run(*options)
    first = store.champion("cli-choice")
    candidate = run(*options, "--promote", "never").stdout
    assert f"It is a candidate: {first.tag} stays champion." in candidate
    assert store.champion("cli-choice") == first
    second = store.versions("cli-choice")[-1]
    assert f'"model": "{second.tag}"' in candidate
    promoted = run(*options, "--promote", "always").stdout
    assert f"It is now the champion instead of {first.tag}" in promoted
    newest = store.versions("cli-choice")[-1]
    assert store.champion("cli-choice") == newest
    assert newest.manifest.parent == first.tag
    assert "It is a candidate" in run(*options).stdout
    assert store.champion("cli-choice") == newest


def test_worse_recipes_take_no_traffic_from_a_better_one() -> None:
    """Trained one after the other, these took traffic from 93.0 to 84.1, 80.5 and 78.6 %."""
    store = Store(aliases=champions)
    run("--name", "cli-worse")
    best = store.champion("cli-worse")
    for recipe, verdict in (
        ("forest", "It is certainly worse than"),
        ("logistic", "It is a candidate"),
        ("knn", "It is a candidate"),
    ):
        assert verdict in run("--name", "cli-worse", "--recipe", recipe).stdout
        assert store.champion("cli-worse") == best
    assert len(store.versions("cli-worse")) == 4


def test_images_that_a_version_was_trained_on_do_not_speak_for_it() -> None:
    """Another seed trains on four fifths of the holdout that the champion was validated on."""
    run("--name", "cli-seeds")
    first = Store().champion("cli-seeds")
    result = run("--name", "cli-seeds", "--recipe", "knn", "--seed", "1")
    assert f"images that {first.tag} was validated on, without " in result.stdout


def test_the_same_seed_saves_the_same_content(shapes: Path) -> None:
    for _ in range(2):
        run("--data", str(shapes), "--recipe", "logistic", "--name", "cli-twice")
    first, second = Store().versions("cli-twice")
    assert first.manifest.content == second.manifest.content
    assert first.manifest.files == second.manifest.files


def test_every_layout_can_be_named() -> None:
    assert get_args(Layout) == LAYOUTS


def test_every_way_to_promote_can_be_named() -> None:
    assert get_args(Promote) == PROMOTE


def test_a_search_is_run_and_its_winner_printed(shapes: Path) -> None:
    options = ("--recipe", "logistic", "--image-spec", "rgb-8x8", "--search", "2", "--workers", "1")
    result = run("--data", str(shapes), "--name", "cli-search", *options, "--halving")
    assert result.exit_code == 0, result.output
    found = Store().champion("cli-search").manifest.parameters["logistic__C"]
    assert f"Found by the search: {{'logistic__C': {found!r}}}" in result.stdout


def test_the_estimator_itself_can_be_served(shapes: Path) -> None:
    options = ("--recipe", "logistic", "--image-spec", "gray-8x8", "--backend", "sklearn")
    assert run("--data", str(shapes), "--name", "cli-sklearn", *options).exit_code == 0
    assert Store().champion("cli-sklearn").manifest.backend == "sklearn"


def test_a_graph_that_is_slow_but_correct_is_saved_with_a_warning(
    shapes: Path, tmp_path: Path
) -> None:
    slow = Speed(batch_1=2.0, batch_32=2.0, batch_128=0.5)
    store = MeasuringStore(tmp_path / "models", slow)
    options = ("--recipe", "logistic", "--image-spec", "gray-8x8", "--name", "cli-slow")
    result = run("--data", str(shapes), *options, store=store)
    assert result.exit_code == 0, result.output
    assert "Warning: The graph was slower than scikit-learn" in result.stderr
    assert store.champion("cli-slow").manifest.speed == slow


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "/nowhere"), "The data folder /nowhere cannot be read"),
        (("--data", "README.md"), "README.md is neither a folder nor a list of images"),
        (("--image-spec", "cinema"), "Image spec 'cinema' is not valid"),
        (("--search", "0"), "at least one candidate, not 0"),
        (("--search", "2", "--dask", "127.0.0.1:1"), "127.0.0.1:1 cannot be reached"),
    ],
)
def test_a_fault_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in one_sentence(run("--name", "cli-fault", *arguments))
    assert Store().versions("cli-fault") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--recipe", "magic"),
        ("--data", ""),
        ("--data", "digits", "--data", "shapes"),
        ("--layout", "round"),
        ("--groups", "writer"),
        ("--name", "Clf"),
        ("--name", "-clf"),
        ("--name", "a" * 64),
        ("--name", "clf:abc"),
        ("--holdout", "0"),
        ("--holdout", "1"),
        ("--seed", "-1"),
        ("--backend", "torch"),
        ("--promote", "maybe"),
        ("--halving",),
        ("--dask", "tcp://127.0.0.1:1"),
        ("--search", "2", "--dask", "tcp://127.0.0.1:1", "--workers", "2"),
        ("--search", "many"),
        ("stray",),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    # The last is read after the settings, which pydantic checks.
    [(["--help"], "[]"), (["--name", "!"], "[]"), (["--workers", "2"], "['pydantic']")],
)
def test_help_and_usage_errors_load_no_heavy_library(arguments: list[str], loaded: str) -> None:
    script = (
        "import sys\n"
        "from train.__main__ import main\n"
        "try:\n"
        f"    main({arguments})\n"
        "except SystemExit:\n"
        "    heavy = {'sklearn', 'scipy', 'numpy', 'bentoml', 'onnx', 'matplotlib', 'pydantic'}\n"
        "    print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == loaded


@pytest.mark.parametrize("moment", [rb"Searching", rb" [1-9]\d*/2,500"])
def test_ctrl_c_ends_a_search_without_a_traceback_or_a_version(moment: bytes) -> None:
    terminal, stderr = pty.openpty()
    command = [sys.executable, "-m", "train", "--name", "cli-interrupted"]
    with subprocess.Popen(
        [*command, "--recipe", "logistic", "--search", "500", "--workers", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    ) as process:
        os.close(stderr)
        shown = b""
        try:
            while re.search(moment, shown) is None:
                shown += os.read(terminal, 65536)
            # As a terminal does: to the process and its workers alike.
            os.killpg(process.pid, signal.SIGINT)
            while chunk := _read(terminal):
                shown += chunk
            out = process.stdout.read() if process.stdout else b""
        finally:
            os.close(terminal)
        assert process.wait() == cli.INTERRUPTED
    assert b"Interrupted." in shown
    assert b"Traceback" not in shown + out
    assert Store().versions("cli-interrupted") == []


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux: every process has closed its end.
        return b""


@click.group(cls=cli.Group)
def tool() -> None:
    pass


@tool.command()
@click.argument("what")
def fail(what: str) -> None:
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "bug":
        raise ZeroDivisionError
    raise DatasetError(what)


def test_a_groups_commands_report_errors_too() -> None:
    result = CliRunner().invoke(tool, ["fail", "It is broken."])
    assert (result.exit_code, result.stderr) == (1, "Error: It is broken.\n")


def test_an_interrupted_command_exits_with_130() -> None:
    result = CliRunner().invoke(tool, ["fail", "interrupt"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


def test_a_bug_keeps_its_traceback() -> None:
    result = CliRunner().invoke(tool, ["fail", "bug"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_what_replaces_a_version_that_abstains_does_so_too() -> None:
    options = ("--recipe", "logistic", "--name", "cli-abstaining")
    assert run(*options, "--abstain", "0.9").exit_code == 0
    heir = run(*options, "--seed", "1")
    assert heir.exit_code == 0, heir.output
    assert "abstains by the coverage 0.9, so what is to replace it does so too" in heir.stderr
    assert Store().versions("cli-abstaining")[-1].manifest.abstain == 0.9
    assert run(*options, "--seed", "2", "--no-abstain").exit_code == 0
    assert Store().versions("cli-abstaining")[-1].manifest.abstain is None
    assert run(*options, "--no-abstain", "--abstain").exit_code == 2
