"""Files of skops: harmless ones need no trust, others name what is in them."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from errors import PickleError
from models.offline.inspection import inspect_file
from models.offline.pickles import load


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    features, targets = load_digits(return_X_y=True)
    return LogisticRegression(C=0.01, max_iter=200).fit(features[:200], targets[:200])


@pytest.fixture(scope="module")
def content(model: LogisticRegression) -> bytes:
    return bytes(skops.io.dumps(model))


def written(tmp_path: Path, content: bytes, name: str = "model.skops") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_harmless_one_needs_no_trust(
    tmp_path: Path, model: LogisticRegression, content: bytes
) -> None:
    # It is known by its content.
    path = written(tmp_path, content, "model.pkl")
    report = inspect_file(path)
    assert (report.kind, report.imports, report.runs_code) == ("skops", (), False)
    assert report.sklearn_version == model.__getstate__()["_sklearn_version"]
    loaded = load(path, trust=False)
    features = load_digits().data
    assert np.array_equal(loaded.estimator.predict(features), model.predict(features))


def test_one_of_a_dict_beside_its_encoder(tmp_path: Path, model: LogisticRegression) -> None:
    path = written(tmp_path, skops.io.dumps({"model": model, "made": "today"}))
    assert load(path, trust=False).said == "Taken: model, a LogisticRegression."


class Unreviewed(LogisticRegression):  # type: ignore[misc]
    pass


def test_unknown_types_are_named_and_need_trust(tmp_path: Path) -> None:
    features, targets = load_digits(return_X_y=True)
    model = make_pipeline(FunctionTransformer(shutil.which), Unreviewed(C=0.01, max_iter=500))
    model[-1].fit(features[:200], targets[:200])
    path = written(tmp_path, skops.io.dumps(model))
    report = inspect_file(path)
    assert report.runs_code
    assert {one.rpartition(".")[2] for one in report.imports} == {"Unreviewed", "which"}
    with pytest.raises(PickleError, match="add --trust"):
        load(path, trust=False)


def changed(content: bytes, **members: bytes | None) -> bytes:
    """With other members: those with a dot in their names by ``__``; None takes one away."""
    buffer = io.BytesIO()
    names = {name.replace("__", "."): value for name, value in members.items()}
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            if info.filename not in names:
                new.writestr(info.filename, old.read(info))
        for name, value in names.items():
            if value is not None:
                new.writestr(name, value)
    return buffer.getvalue()


def huge_array() -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + b"x"


def nested() -> bytes:
    return b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"schema__json": b"{"}, "cannot be read as a file of skops"),
        ({"schema__json": b"[]"}, "its schema is not a JSON object"),
        ({"schema__json": b"{}"}, "cannot be read as a file of skops"),
        ({"schema__json": nested()}, "cannot be read as a file of skops"),
        ({"more__npy": huge_array()}, "claims to be larger than it is"),
        ({"more__npy": b"not an array"}, "cannot be read as a file of skops"),
        ({"zeros__bin": bytes(120 * 2**20)}, "it unpacks to"),
    ],
)
def test_a_file_that_lies(
    tmp_path: Path, content: bytes, members: dict[str, bytes], sentence: str
) -> None:
    path = written(tmp_path, changed(content, **members))
    with pytest.raises(PickleError, match=sentence):
        inspect_file(path)
    with pytest.raises(PickleError, match=sentence):
        load(path)


def test_every_cut_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    for size in range(0, len(content), 997):
        path = written(tmp_path, content[:size])
        with pytest.raises(PickleError):
            inspect_file(path)


def mutated(content: bytes, seed: int) -> bytes:
    """Some values of the schema replaced by those of others."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema: dict[str, Any] = json.loads(archive.read("schema.json"))
    nodes: list[dict[str, Any]] = []
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            nodes.append(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    values = [value for node in nodes for value in node.values() if not isinstance(value, dict)]
    for _ in range(rng.integers(1, 4)):
        node = nodes[rng.integers(len(nodes))]
        if node:
            key = list(node)[rng.integers(len(node))]
            node[key] = [*values, None, {}, [], "os.system", -1][rng.integers(len(values) + 5)]
    return changed(content, schema__json=json.dumps(schema).encode())


def test_broken_schemas_are_one_sentence_or_a_classifier(tmp_path: Path, content: bytes) -> None:
    sentences = []
    for seed in range(60):
        path = written(tmp_path, mutated(content, seed))
        try:
            load(path, trust=False)
        except PickleError as error:
            sentences.append(str(error))
    assert len(sentences) > 20
    assert not [one for one in sentences if "\n" in one or not one.endswith(".")]


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    with pytest.raises(PickleError, match="is a pointer of Git LFS to the file"):
        inspect_file(written(tmp_path, text))
