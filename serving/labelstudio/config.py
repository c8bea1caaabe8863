"""A project's labeling configuration: which tag takes the choice, and of which image."""

from typing import Any, Final, NamedTuple
from xml.parsers import expat

from errors import BadRequestError

MAX_CHARACTERS: Final = 1_000_000
_MAX_TAGS: Final = 20_000


class Config(NamedTuple):
    """``from_name``: of ``<Choices>``; ``to_name`` and ``key``: of its ``<Image>`` and of its
    field in a task's data; ``choices``: those that may be made, by the text that a label has."""

    from_name: str
    to_name: str
    key: str
    choices: dict[str, str]


def read_config(text: Any) -> Config:
    """The first ``<Choices>`` of an ``<Image>``. Raises BadRequestError if there is none.

    No entities are read, for a few of them could become gigabytes.
    """
    if type(text) is not str or len(text) > MAX_CHARACTERS:
        raise BadRequestError(
            f"The labeling configuration must be a text of up to {MAX_CHARACTERS} characters."
        )
    reading = _Reading()
    try:
        reading.parser.Parse(text, True)
    except expat.ExpatError as error:
        raise BadRequestError(f"The labeling configuration is not valid XML: {error}.") from None
    for choices in reading.choices:
        key = reading.images.get(choices.to_name)
        if key is not None:
            return choices._replace(key=key)
    raise BadRequestError(
        'The labeling configuration needs <Image name="image" value="$image"/> and, with '
        'toName="image", <Choices>.'
    )


class _Reading:
    """What was found so far."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.choices: list[Config] = []
        self._tags = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise BadRequestError("The labeling configuration may not declare a document type.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._tags += 1
        if self._tags > _MAX_TAGS:
            raise BadRequestError(f"The labeling configuration may have {_MAX_TAGS} tags at most.")
        name = attributes.get("name", "")
        if tag == "Image" and attributes.get("value", "").startswith("$"):
            self.images[name] = attributes["value"][1:]
        elif tag == "Choices" and name:
            self.choices.append(Config(name, attributes.get("toName", ""), "", {}))
        elif tag == "Choice" and self.choices and "value" in attributes:
            value = attributes["value"]
            # Where it has an alias, annotations and predictions have that.
            self.choices[-1].choices[value] = attributes.get("alias", value)
