"""``/console/image/<number>``: the image of a kept prediction."""

from typing import Final

from console.pictures import picture
from console.visit import Answer, Content, NotHereError, Visit
from errors import ImageError
from records.lookup import image_of

_SIDES: Final = {"small": 128, "": 512}


def show(visit: Visit) -> Answer:
    number = visit.rest[0] if len(visit.rest) == 1 else ""
    side = _SIDES.get(visit.query.get("size", ""))
    if not (number.isascii() and number.isdigit() and len(number) < 19) or side is None:
        raise NotHereError(404, "There is no such image.")
    with visit.server.records() as database:
        found = image_of(database, int(number))
    if found is None or not visit.allows(found[0]):
        raise NotHereError(404, "There is no such image.")
    try:
        shown = picture(found[1], side)
    except ImageError:
        raise NotHereError(415, "The image cannot be decoded.") from None
    return Content(shown.content, shown.type)
