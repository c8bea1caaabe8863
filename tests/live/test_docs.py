"""Every command and program of the README and of docs/ is run, and prints what the page shows.

With WRITE_DOCS=1, as ``make docs`` sets it, the pages are brought up to date instead.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import figure
from tests.drawing import draw_folder
from tests.examples import Result, examples, fences, rewritten
from tests.reader import Reader
from tests.servers import ROOT
from tests.test_layout import MAY_IMPORT

PAGES = [
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "README.es.md", *sorted((ROOT / "docs").rglob("*.md")))
]
WRITE = os.environ.get("WRITE_DOCS") == "1"

# What one reader reads in a row, on one server; a page that counts requests has its own.
IN_A_ROW = ["README.md", "README.es.md"]
IN_A_ROW += ["docs/ask.md", "docs/errors.md", "docs/bring-a-model.md", "docs/honest.md"]
IN_A_ROW += ["docs/clients.md", "docs/oip.md", "docs/labelstudio.md"]

# Readers at a time: most of the time is Python's imports.
READERS = 3

LANGUAGES = {"console", "sh", "sh norun", "python", "text", "json"}

# Why a command is not run, by the words that its line begins with. Its make targets, Python
# modules, subcommands and options are checked by scripts/check_docs.py all the same.
NOT_RUN = {
    "docker": "needs a container engine; tests/container runs the image and the stack",
    "kind": "needs a Kubernetes cluster; tests/deploy checks the manifests",
    "kubectl": "needs a Kubernetes cluster; tests/deploy checks the manifests",
    "make image": "needs a container engine; tests/container builds the image",
    "make secrets": "writes into the clone; tests/deploy/test_compose.py runs it",
    "make demo": "takes minutes; tests/demo has its parts",
    "make bento": "leaves a Bento in the store; tests/live/test_bento.py builds it",
    "bentoml deploy": "needs a BentoCloud account; tests/deploy checks the file",
    "bentoml cloud": "needs a BentoCloud account",
    "bentoml secret": "needs a BentoCloud account",
    "bentoml serve": "serves until it is stopped; tests/live/test_bento.py runs it",
    "deploy/cloudrun/run": "needs a Google Cloud account; the page runs it with --dry-run",
    "gcloud": "needs a Google Cloud account",
    "deploy/kubernetes/job": "needs a Kubernetes cluster; tests/deploy runs it without one",
    "echo": "changes the settings of Compose",
    "export": "belongs to the commands after it",
    "scripts/install": "installs packages",
    "pip install": "installs packages",
    "python -m train": "needs a Dask cluster",
    "python -m score": "needs a Dask cluster",
    "python -m features": "needs a network; tests/features has one",
    "python export.py": "needs PyTorch or TensorFlow",
    "python -m monitor": "runs until it is stopped, or needs Evidently",
    "python -m rollout": "runs until it is stopped",
    "python -m pipeline": "runs until it is stopped",
    "curl": "asks the stack that Compose started, or a server with keys",
    "python -m records prune": "would delete what other pages count",
    "python -m models promote": "needs two versions; tests/models/test_lineage.py has some",
    "python -m models import": "needs images of one's own; tests/models/test_cli.py runs it",
    "mlflow artifacts": "needs MLflow; tests/clients/test_bringing.py has its server",
    "hf download": "needs the Hugging Face Hub",
    "python -m records labelstudio": "needs the export of a project; tests/records has some",
    "python -m keys": "would close the server that all pages ask; tests/live/test_keys.py runs it",
}


@pytest.fixture(scope="module")
def results(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, list[Result]]]]]:
    """The pages' results, each as soon as its reader has worked through all of his pages."""
    shapes = draw_folder(tmp_path_factory.mktemp("drawn") / "shapes", images=30, side=32)
    found = {page: examples((ROOT / page).read_text(encoding="utf-8")) for page in PAGES}

    def read(pages: Sequence[str]) -> dict[str, list[Result]]:
        with Reader(tmp_path_factory.mktemp("reader")) as reader:
            reader.prepare([example for page in pages for example in found[page]], home, shapes)
            return {page: [reader.run(example) for example in found[page]] for page in pages}

    with ThreadPoolExecutor(READERS) as pool:
        # Those with most to do first, so that none of them is alone at the end.
        longest_first = sorted(set(PAGES) - set(IN_A_ROW), key=lambda page: -len(found[page]))
        in_a_row = pool.submit(read, IN_A_ROW)
        yield {
            **dict.fromkeys(IN_A_ROW, in_a_row),
            **{page: pool.submit(read, [page]) for page in longest_first},
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_prints_what_the_page_shows(
    page: str, results: dict[str, Future[dict[str, list[Result]]]]
) -> None:
    found = results[page].result()[page]
    if WRITE:
        path = ROOT / page
        path.write_text(rewritten(path.read_text(encoding="utf-8"), found), encoding="utf-8")
    for result in found:
        example = result.example
        failed = example.language != "console" and result.status != 0
        assert result.as_shown or (WRITE and not failed), (
            f"\n{example.source}\nprinted, with exit code {result.status}:\n{result.printed}"
        )


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_is_of_a_known_kind(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {fence.info for fence in fences(text)} <= LANGUAGES
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(fences(text))


def not_run() -> list[tuple[str, str]]:
    return [
        (page, fence.text)
        for page in PAGES
        for fence in fences((ROOT / page).read_text(encoding="utf-8"))
        if fence.info == "sh norun"
    ]


@pytest.mark.parametrize(("page", "script"), not_run())
def test_what_is_not_run_is_a_script_all_the_same(page: str, script: str) -> None:
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "script"), not_run())
def test_what_is_not_run_has_a_reason(page: str, script: str) -> None:
    for line in script.replace("\\\n", "").splitlines():
        assert any(re.match(rf"{re.escape(start)}\b", line) for start in NOT_RUN), line


def test_every_reason_is_needed() -> None:
    lines = [line for _, script in not_run() for line in script.splitlines()]
    for start in NOT_RUN:
        assert any(line.startswith(start) for line in lines), start


def test_the_picture_is_that_of_the_table() -> None:
    results = figure.RESULTS.read_text(encoding="utf-8")
    drawn = figure.FIGURE.read_text(encoding="utf-8")
    assert drawn == figure.figure(figure.rates(results)), "run make docs"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_names_every_room() -> None:
    (tree,) = re.findall(
        r"^```text\n(.*?)^```$", section("What is where"), re.MULTILINE | re.DOTALL
    )
    named = set(re.findall(r"^(\S+)  ", tree, re.MULTILINE))
    assert set(MAY_IMPORT) <= {name.removesuffix("/").removesuffix(".py") for name in named}
    assert all((ROOT / name).exists() for name in named)


def section(heading: str) -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_index_links_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {f"docs/{link}" for link in re.findall(r"\]\(([^)#]+\.md)", text)}
    assert {page for page in PAGES if page.startswith("docs/")} - linked == {"docs/README.md"}
