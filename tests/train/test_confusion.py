import pytest

from tests.train.pictures import confusion, size


@pytest.mark.parametrize("classes", [2, 10, 200])
def test_a_confusion_matrix_of_many_classes_stays_a_picture(classes: int) -> None:
    width, height = size(confusion(tuple(f"species number {i}" for i in range(classes))))
    assert 300 < width < 3500
    assert 300 < height < 3500


def test_other_labels_draw_another_matrix() -> None:
    assert confusion(("a" * 50 + "1", "b")) != confusion(("a" * 50 + "2", "b"))
