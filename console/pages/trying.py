"""Try: an image, and what the model makes of it."""

import base64
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from console import honesty
from console.pictures import Picture, picture, seen
from console.recipes import recipes
from console.samples import Sample, samples
from console.server import Listing
from console.visit import Answer, Content, NotHereError, Page, Redirect, Visit, link
from errors import ImageError
from models.manifest import Label
from models.version import Version

_BARS: Final = 10
_BARS_AT_LEAST: Final = 3
_VISIBLE: Final = 0.005
_SIDE: Final = 320
# A larger file is made smaller before it becomes a part of the page.
_WITHIN_BYTES: Final = 32_000
# An image of this size goes along with the form for its label, so that it can be labelled even if
# its prediction was not kept.
_CARRIED_BYTES: Final = 48_000


@dataclass(frozen=True)
class Outcome:
    """What one version said. ``bars``: its labels by their probability, highest first; ``error``:
    the server's sentence if it gave none."""

    version: str
    milliseconds: float
    label: Label | None
    bars: Sequence[tuple[str, float]]
    more: int
    certainty: honesty.Certainty
    error: str = ""

    @property
    def confidence(self) -> float | None:
        return self.bars[0][1] if self.bars else None


def show(visit: Visit) -> Answer:
    if visit.rest:
        return _sample(visit)
    return _page(visit)


def classify(visit: Visit) -> Answer:
    if visit.rest == ["label"]:
        return _label(visit)
    listing = visit.model
    if listing is None:
        return _page(visit)
    version = champion_of(listing)
    upload = next((one for one in visit.files.values() if one.content), None)
    truth: Label | None = None
    if upload is not None:
        data, name = upload.content, upload.name or "image"
    elif (number := visit.form.get("sample", "")).isdigit():
        sample = _at(samples(version), int(number))
        data, name, truth = sample.picture.content, f"sample-{number}.png", sample.label
    else:
        return _page(visit, wrong=visit.words("Choose an image first."), status=400)
    request_id = f"console-{secrets.token_hex(8)}"
    champion = _asked(visit, listing.name, version, data, request_id)
    challenger = None
    if listing.challenger is not None:
        other = next((v for v, _ in listing.versions if v.tag == listing.challenger), None)
        if other is not None:
            challenger = _asked(visit, other.tag, other, data, f"{request_id}-challenger")
    shown: Picture | None = None
    sight: Picture | None = None
    try:
        shown = picture(data, _SIDE, _WITHIN_BYTES)
        sight = seen(data, version.manifest.image_spec, visit.server.settings.max_image_pixels)
    except ImageError:
        shown = None
    return _page(
        visit,
        status=200 if not champion.error else 400,
        champion=champion,
        challenger=challenger,
        shown=shown,
        sight=sight,
        name=name,
        truth=truth,
        request_id=request_id,
        recipes=recipes(visit, listing.name, data, name),
        carried=base64.b64encode(data).decode() if len(data) <= _CARRIED_BYTES else "",
    )


def _page(visit: Visit, status: int = 200, **content: Any) -> Page:
    listing = visit.model
    version = None if listing is None else champion_of(listing)
    defaults: dict[str, Any] = {
        "listing": listing,
        "version": version,
        "samples": samples(version) if version else (),
        "labels": version.manifest.labels if version else (),
        "wrong": "",
        "champion": None,
        "challenger": None,
        "shown": None,
        "sight": None,
        "name": "",
        "truth": None,
        "request_id": "",
        "recipes": [],
        "carried": "",
        "kept": visit.query.get("kept", ""),
        "can_label": visit.sees_records and visit.may("label"),
        "can_predict": visit.may("predict"),
    }
    return Page("try.html", defaults | content, status)


def champion_of(listing: Listing) -> Version:
    """The version that answers."""
    tagged = [one for one, _ in listing.versions if one.tag == listing.champion]
    return tagged[0] if tagged else listing.versions[-1][0]


def _asked(visit: Visit, model: str, version: Version, data: bytes, request_id: str) -> Outcome:
    manifest = version.manifest
    fields = {
        "request_id": request_id,
        "model": model,
        "probabilities": "true" if manifest.gives_probabilities else "false",
    } | honesty.asked(manifest)
    began = time.perf_counter()
    reply = visit.ask_about("/predict/", data, fields)
    took = 1000 * (time.perf_counter() - began)
    answer = json.loads(reply.body)
    headers = dict(reply.headers)
    tag = headers.get(b"x-model-version", version.tag.encode()).decode()
    bars = sorted(answer.get("probabilities", {}).items(), key=lambda one: -one[1])
    shown = [
        one for at, one in enumerate(bars[:_BARS]) if at < _BARS_AT_LEAST or one[1] >= _VISIBLE
    ]
    return Outcome(
        version=tag,
        milliseconds=took,
        label=answer.get("prediction"),
        bars=shown,
        more=len(bars) - len(shown),
        certainty=honesty.found(answer, manifest),
        error=str(answer["detail"]) if "detail" in answer else "",
    )


def _label(visit: Visit) -> Answer:
    """The true label of an image that was tried."""
    listing = visit.model
    if listing is None:
        raise NotHereError(404, "There is no such model.")
    if not visit.sees_records:
        raise NotHereError(403, "Labels are kept for those who are logged in.")
    label = label_of(visit.form.get("label", ""), champion_of(listing))
    fields: dict[str, Any] = {
        "request_id": visit.form.get("request_id", ""),
        "model": listing.name,
        "label": label,
        "source": visit.source,
    }
    if visit.form.get("image"):
        fields["image"] = visit.form["image"]
    reply = visit.ask("/feedback/", fields)
    if reply.status != 200:
        raise NotHereError(reply.status, str(json.loads(reply.body).get("detail", "")))
    if visit.wants_json:
        return Content(reply.body, "application/json")
    return Redirect(link("try", model=listing.name, kept=str(label)))


def label_of(text: str, version: Version) -> Label:
    """A label as a person writes it, of the type that the model's labels have."""
    text = text.strip()
    if not text:
        raise NotHereError(400, "Choose or write a label first.")
    if version.manifest.label_type == "string":
        return text
    try:
        return int(text)
    except ValueError:
        raise NotHereError(400, "The labels of this model are whole numbers.") from None


def _sample(visit: Visit) -> Content:
    """``/console/try/sample/<version>/<number>``, an image."""
    listings = {f"{one.name}": one for one in visit.listings()}
    if len(visit.rest) != 3 or visit.rest[0] != "sample" or not visit.rest[2].isdigit():
        raise NotHereError(404, "There is no such page.")
    listing = listings.get(visit.rest[1])
    if listing is None:
        raise NotHereError(404, "There is no such model.")
    found: Picture = _at(samples(champion_of(listing)), int(visit.rest[2])).picture
    return Content(found.content, found.type)


def _at(found: Sequence[Sample], number: int) -> Sample:
    if number >= len(found):
        raise NotHereError(404, "There is no such image.")
    return found[number]
