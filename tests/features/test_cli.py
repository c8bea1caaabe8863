import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from features.__main__ import POOLS, main
from models.extractors import Extractors
from models.offline import graph_pooling
from models.store import Store
from tests.extractors import saved_extractor, saved_photos_version, tiny_graph


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("file")
    (folder / "cli-net.onnx").write_bytes(tiny_graph())
    (folder / "terms.txt").write_text("Do with it what you like.\n")
    return run(
        *("add", str(folder / "cli-net.onnx"), "--license", "CC0-1.0"),
        *("--license-file", str(folder / "terms.txt"), "--source", "drawn by lot"),
    )


def test_what_is_guessed_is_shown(added: Result) -> None:
    assert added.exit_code == 0, added.output
    assert "layout: NHWC (from the input's shape)" in added.stdout
    assert "size: 16x16 (from the input's shape)" in added.stdout
    assert "image spec: rgb-16x16:bicubic:imagenet:reduced (guessed: usual" in added.stdout
    assert "python -m train --data FOLDER --features cli-net" in added.stdout


def test_it_is_listed(added: Result) -> None:
    listed = run("list").stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("cli-net:")]
    assert "CC0-1.0" in line


def test_it_is_shown_with_its_license(added: Result) -> None:
    shown = run("show", "cli-net").stdout
    assert "drawn by lot" in shown
    assert "no version" in shown
    assert run("show", "cli-net", "--license").stdout == "Do with it what you like.\n"
    manifest = json.loads(run("show", "cli-net", "--json").stdout)
    assert manifest["dimension"] == 12


def test_one_that_is_needed_is_not_removed() -> None:
    store = Store()
    version = saved_photos_version(store, saved_extractor(store, "cli-needed"), "cli-colors")
    refused = run("remove", "cli-needed", "--yes")
    assert refused.exit_code == 1
    assert f"is needed by {version.tag}" in refused.stderr
    store.delete(version)
    assert run("remove", "cli-needed", "--yes").exit_code == 0
    assert Extractors(store).all("cli-needed") == []


def test_an_unknown_one_is_one_sentence() -> None:
    result = run("show", "nothing")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The store has no extractor 'nothing'; see: python -m features list\n"
    )


def test_a_file_of_another_name_is_no_unknown_extractor(tmp_path: Path) -> None:
    path = tmp_path / "network.txt"
    path.write_text("no network")
    result = run("add", str(path))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {path} is taken for an ONNX file only if its name ends in .onnx.\n"
    )


def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    result = run("add", str(path))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "not valid ONNX" in result.stderr


def test_options_are_for_files() -> None:
    assert run("add", "efficientnet-lite0", "--license", "MIT").exit_code == 2


def test_the_pools_are_those_that_graphs_get() -> None:
    assert POOLS == graph_pooling.POOLS


def test_the_advice_names_the_one_that_was_added(tmp_path: Path) -> None:
    path = tmp_path / "features-twice.onnx"
    tags = []
    for seed in (0, 1, 0):
        path.write_bytes(tiny_graph(seed=seed))
        result = run("add", str(path))
        assert result.exit_code == 0, result.output
        advice = result.stdout.splitlines()[-1]
        tags.append(advice.split()[1].strip(":"))
    # The first one is still the older of the two, so its name alone means the other.
    assert advice.endswith(f"--features {tags[0]}")
    assert tags[0] == tags[2]


def test_a_file_of_another_format_is_one_sentence() -> None:
    result = run("add", "model.pt")
    assert result.exit_code == 1
    assert "export the network to ONNX" in result.stderr
    assert len(result.stderr.splitlines()) == 1
