"""Which choice of which image a project's configuration asks for."""

import pytest

from errors import BadRequestError
from serving.labelstudio.config import Config, read_config

DIGITS = (
    '<View><Image name="img" value="$photo"/><Choices name="digit" toName="img" choice="single">'
    '<Choice value="8"/><Choice value="3" alias="three"/></Choices></View>'
)


def test_the_choices_of_an_image() -> None:
    assert read_config(DIGITS) == Config("digit", "img", "photo", {"8": "8", "3": "three"})


def test_choices_of_something_else_are_left_out() -> None:
    text = (
        '<View><Text name="t" value="$text"/><Choices name="a" toName="t"><Choice value="x"/>'
        f"</Choices>{DIGITS}</View>"
    )
    assert read_config(text).from_name == "digit"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "must be a text"),
        ("", "not valid XML"),
        ("<View>", "not valid XML"),
        ("<View/>", "needs <Image"),
        ('<View><Choices name="a" toName="b"/></View>', "needs <Image"),
        ('<View><Image name="b" value="x"/><Choices name="a" toName="b"/></View>', "needs <Image"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View>&b;</View>', "may not declare a document type"),
        ("<View>" + "<a/>" * 20_001 + "</View>", "20000 tags"),
        (" " * 1_000_001, "must be a text"),
    ],
)
def test_a_wrong_configuration(text: object, sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        read_config(text)
