import json
from pathlib import Path

import pytest

from errors import DatasetError
from tests.train.reading.drafts import counts, fill, sides
from train.reading.sources import read_sources


def coco(*annotations: tuple[int, int, float]) -> str:
    """Of 0.png to 3.png; an annotation is an image, a category and an area."""
    return json.dumps(
        {
            "images": [{"id": number, "file_name": f"{number}.png"} for number in range(4)],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": place, "image_id": one, "category_id": category, "area": area}
                for place, (one, category, area) in enumerate(annotations)
            ],
        }
    )


ONE_EACH = coco((0, 1, 5), (1, 2, 5), (2, 1, 5), (3, 2, 5))


@pytest.mark.parametrize("name", ["annotations.json", "annotations/instances.json"])
@pytest.mark.parametrize("by_file", [True, False])
def test_categories_are_labels(tmp_path: Path, name: str, by_file: bool) -> None:
    fill(tmp_path, "images", images=4)
    (tmp_path / "annotations").mkdir()
    (tmp_path / name).write_text(ONE_EACH)
    listing = read_sources([tmp_path / name if by_file else tmp_path])
    assert counts(listing) == {"cat": 2, "dog": 2}


def test_of_several_categories_the_largest_counts_and_is_told(tmp_path: Path) -> None:
    fill(tmp_path, ".", images=4)
    (tmp_path / "a.json").write_text(coco((0, 1, 5), (0, 2, 3), (0, 2, 4), (1, 1, 5), (2, 1, 1)))
    listing = read_sources([tmp_path])
    assert counts(listing) == {"dog": 1, "cat": 2}
    assert any(note.startswith("1 of 3 images have several") for note in listing.notes)
    assert "1 images without an annotation are left out." in listing.notes


def test_parts_by_the_names_of_the_files(tmp_path: Path) -> None:
    fill(tmp_path, "train2017", "val2017", images=4)
    (tmp_path / "annotations").mkdir()
    for part in ("train", "val"):
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(ONE_EACH)
        (tmp_path / "annotations" / f"captions_{part}2017.json").write_text(ONE_EACH)
    listing = read_sources([tmp_path])
    assert sides(listing) == {"train": 4, "holdout": 4}
    assert {Path(row.where).parent.name for row in listing.rows if row.side == "holdout"} == {
        "val2017"
    }


def test_parts_with_annotations_in_each(tmp_path: Path) -> None:
    fill(tmp_path, "train", "valid", images=4)
    for part in ("train", "valid"):
        (tmp_path / part / "_annotations.coco.json").write_text(ONE_EACH)
    assert sides(read_sources([tmp_path])) == {"train": 4, "holdout": 4}


def test_annotations_without_their_images(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(ONE_EACH)
    with pytest.raises(DatasetError, match=r"No image of a\.json"):
        read_sources([tmp_path])
