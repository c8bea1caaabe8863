"""Versions that are tried in a process of their own, with limits."""

from pathlib import Path

import pytest

from errors import ArtifactError
from models.artifact import Artifact, read_artifact
from models.offline.trial import Limits, try_apart
from tests.bad_graphs import endless_loop, large_memory, long_work
from tests.drafts import LinearDraft, replace_graph


def with_graph(folder: Path, graph: bytes) -> Artifact:
    LinearDraft().write(folder)
    replace_graph(folder, graph)
    return read_artifact(folder)


def test_a_good_version(tmp_path: Path) -> None:
    LinearDraft().write(tmp_path)
    try_apart(read_artifact(tmp_path))


def test_an_endless_loop_is_not_begun(tmp_path: Path) -> None:
    loop = endless_loop().SerializeToString()
    with pytest.raises(ArtifactError, match="a graph with the operator Loop, which is not allowed"):
        try_apart(with_graph(tmp_path, loop))


def test_what_takes_too_much_cpu_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="it took more than 3 s of CPU, so it is not used"):
        try_apart(with_graph(tmp_path, long_work()), Limits(cpu_seconds=3))


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="took more than 1 s to be checked, so it is not used"):
        try_apart(with_graph(tmp_path, long_work()), Limits(seconds=1))


def test_what_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot run its golden examples"):
        try_apart(with_graph(tmp_path, large_memory()))


def test_a_process_that_has_no_memory_says_so(tmp_path: Path) -> None:
    LinearDraft().write(tmp_path)
    with pytest.raises(ArtifactError, match="100 MiB"):
        try_apart(read_artifact(tmp_path), Limits(memory=100 * 2**20))
