import pytest

from train.auto_recipe import MODERATE_BYTES, choose
from train.effort import Size, checked_images, effort
from train.recipes import RECIPES

DIGITS = Size(images=1438, features=64, classes=10)
PHOTOS = Size(images=4000, features=64 * 64 * 3, classes=50)


@pytest.mark.parametrize("images", [100, 1438, 2000])
def test_digits_are_for_svc(images: int) -> None:
    choice = choose(Size(images, 64, 10))
    assert choice.recipe == "svc"
    assert choice.notes[0].startswith("Recipe: svc, about ")


def test_where_svc_would_take_minutes_another_is_taken_and_that_is_said() -> None:
    choice = choose(PHOTOS)
    assert choice.recipe != "svc"
    assert choice.effort.seconds < effort("svc", PHOTOS).seconds / 4
    (note,) = choice.notes
    assert note.startswith(f"Recipe: {choice.recipe}, about ")
    assert "4,000 images of 12,288 features in 50 classes; svc would take" in note


@pytest.mark.parametrize(
    "size", [Size(16_000, 784, 10), Size(24_000, 3072, 300), Size(800, 12_288, 5), PHOTOS]
)
def test_auto_takes_moderate_memory(size: Size) -> None:
    assert choose(size).effort.memory <= MODERATE_BYTES


def test_one_image_of_a_class_is_too_few_for_svc() -> None:
    assert choose(DIGITS, rarest=1).recipe == "forest"


def test_who_asks_for_a_recipe_gets_it_and_hears_what_it_takes() -> None:
    choice = choose(PHOTOS, "svc")
    assert choice.recipe == "svc"
    (note,) = choice.notes
    assert "min" in note
    assert "GiB" in note
    assert f"; {choose(PHOTOS).recipe} about " in note


def test_what_is_quick_and_was_asked_for_needs_no_words() -> None:
    assert choose(DIGITS, "logistic").notes == []


@pytest.mark.parametrize("name", RECIPES)
def test_more_images_features_or_classes_never_take_less(name: str) -> None:
    base = effort(name, DIGITS)
    for more in (Size(5000, 64, 10), Size(1438, 784, 10), Size(1438, 64, 100)):
        found = effort(name, more)
        assert found.seconds >= base.seconds
        assert found.memory >= base.memory


def test_the_check_before_saving_has_as_many_images_as_20_s_allow() -> None:
    assert checked_images("svc", DIGITS) == 600
    assert 16 <= checked_images("svc", PHOTOS) < 40
    assert checked_images("svc", Size(100_000, 12_288, 10)) == 16
    assert checked_images("logistic", PHOTOS) == 600
