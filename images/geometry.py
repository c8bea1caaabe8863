"""Where an image comes to lie in the spec's sides, and how much smaller it may be decoded."""

from typing import Final, NamedTuple

from images.spec import ImageSpec

SIDEWAYS: Final = frozenset((5, 6, 7, 8))
"""EXIF orientations whose upper rows are stored as columns."""

# Those whose left columns, and whose upper rows, are stored last.
_FROM_THE_RIGHT: Final = frozenset((2, 3, 6, 7))
FROM_THE_END: Final = frozenset((3, 4, 7, 8))

REDUCTIONS: Final = (8, 4, 2)
"""By which libjpeg decodes for less work than the whole; its other factors have no fast code."""

_GAP: Final = 2
_BOX_GAP: Final = 3
"""More for a filter that takes whole pixels: with 2.2 to an output, half of which count 3 and half
2, pictures with edges were off by 7 of 255 in the mean, in place of 1."""


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


class Placement(NamedTuple):
    """``box``, in pixels of the upright image, is resized to ``size`` and put at ``at``.

    ``reduction``: by how many times less the sides may be decoded.
    """

    box: Box
    size: tuple[int, int]
    at: tuple[int, int]
    reduction: int

    @property
    def times(self) -> float:
        """How many pixels of the box, at least, one of the result stands for in each direction."""
        return _times(self.box, self.size)

    def within(
        self, sides: tuple[int, int], small: tuple[int, int], orientation: int, by: int
    ) -> Box:
        """The box in an upright image with sides ``small``, ``by`` times less than ``sides``,
        rounded up: the last column and row may stand for fewer pixels than the others."""
        before = small[0] - sides[0] / by if orientation in _FROM_THE_RIGHT else 0.0
        above = small[1] - sides[1] / by if orientation in FROM_THE_END else 0.0
        return Box(
            max(0.0, self.box.left / by + before),
            max(0.0, self.box.top / by + above),
            min(float(small[0]), self.box.right / by + before),
            min(float(small[1]), self.box.bottom / by + above),
        )


def upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    """The sides of an image that is stored so."""
    return (height, width) if orientation in SIDEWAYS else (width, height)


def place(width: int, height: int, spec: ImageSpec) -> Placement:
    """For an upright image of these sides."""
    size, at = (spec.width, spec.height), (0, 0)
    box = Box(0.0, 0.0, float(width), float(height))
    if spec.fit == "letterbox":
        scale = min(spec.width / width, spec.height / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        at = (spec.width - size[0]) // 2, (spec.height - size[1]) // 2
    elif spec.shortest is not None:
        left, right = _middle(width, min(width, height), spec.shortest, spec.width)
        top, bottom = _middle(height, min(width, height), spec.shortest, spec.height)
        box = Box(left, top, right, bottom)
    elif spec.fit == "crop":
        across = min(width, height * spec.width / spec.height)
        down = min(height, width * spec.height / spec.width)
        left, top = (width - across) / 2, (height - down) / 2
        box = Box(left, top, left + across, top + down)
    return Placement(box, size, at, _reduction(box, size, spec))


def _middle(side: int, shorter: int, shortest: int, kept: int) -> tuple[float, float]:
    """Where the crop of a side begins and ends: to a pixel where torchvision's ``Resize`` and
    ``CenterCrop`` have it, which round the longer side down, and the middle to even."""
    resized = shortest * side // shorter
    first = round((resized - kept) / 2)
    return first * side / resized, (first + kept) * side / resized


def _times(box: Box, size: tuple[int, int]) -> float:
    return min((box.right - box.left) / size[0], (box.bottom - box.top) / size[1])


def _reduction(box: Box, size: tuple[int, int], spec: ImageSpec) -> int:
    # Nearest takes single pixels, which are not among the means of several.
    if spec.decoding == "full" or spec.resize == "nearest":
        return 1
    times = _times(box, size)
    gap = _BOX_GAP if spec.resize == "box" else _GAP
    return next((by for by in REDUCTIONS if times >= gap * by), 1)
