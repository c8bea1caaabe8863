"""The picture that it ends with."""

from pathlib import Path

import pytest
from PIL import Image

from demo.ledger import Ledger
from demo.picture import SIZE, draw
from demo.totals import totals
from demo.view import View
from tests.demo.views import BEGAN, told


@pytest.mark.parametrize("view", [told(), View(BEGAN, Ledger())], ids=["told", "never begun"])
def test_a_png_of_its_size(view: View, tmp_path: Path) -> None:
    path = tmp_path / "new" / "demo.png"
    draw(view, totals(view, 90), path)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", SIZE)
    assert path.stat().st_size < 150_000
