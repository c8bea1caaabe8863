from typing import Any

import matplotlib as mpl
import pytest

from tests.train.pictures import confusion, mistakes, size

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("draw", [confusion, mistakes])
def test_the_same_input_draws_the_same_bytes(draw: Any) -> None:
    first = draw(("cat", "dog"))
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 50, "image.cmap": "hot"}):
        again = draw(("cat", "dog"))
    assert first.startswith(PNG)
    assert first == again


@pytest.mark.parametrize("draw", [confusion, mistakes])
def test_any_label_can_be_drawn(draw: Any) -> None:
    labels = ("$x_", "a" * 200, "猫", "two\nlines", "[bold]", "%", "")
    width, _ = size(draw(labels))
    assert width < 2000
