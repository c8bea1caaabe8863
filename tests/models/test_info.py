"""``model.yaml`` is read, and cannot do anything else."""

from pathlib import Path

import pytest

from errors import ArtifactError
from models.info import read_info

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_name_and_a_version(tmp_path: Path) -> None:
    text = (
        "name: clf\nversion: '222'\nlabels: {}\ncontext:\n  framework_name: ''\n  list:\n  - a: 1\n"
    )
    (tmp_path / "model.yaml").write_text(text)
    assert read_info(tmp_path) == ("clf", "222")


@pytest.mark.parametrize(
    "text",
    [
        f"name: clf\nversion: abc\n{LAUGHS}",
        "name: &a clf\nversion: *a\n",
        "name: clf\n",
        "name:\nversion:\n",
        "- a\n",
        "{",
        "[" * 3000,
        "name: !!python/object/apply:os.system [echo]\nversion: a\n",
        "x" * 70_000,
        "\x00",
    ],
    ids=lambda text: text[:20],
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(ArtifactError, match=r"has no readable model\.yaml"):
        read_info(tmp_path)
