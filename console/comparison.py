"""Two versions side by side, by what their manifests say."""

from console.language import Words
from models.manifest import Manifest
from models.version import Version


def differences(words: Words, first: Version, second: Version) -> list[tuple[str, str, str, str]]:
    """What, of the first, of the second, and the difference where it is a number."""
    old, new = first.manifest, second.manifest
    rows = [
        (words("Created"), words.time(old.created_at), words.time(new.created_at), ""),
        (words("Recipe"), old.recipe or old.estimator, new.recipe or new.estimator, ""),
        (words("Images it sees"), old.image_spec.name, new.image_spec.name, ""),
        (words("Feature extractor"), _extractor(old), _extractor(new), ""),
        (
            words("Images of the training"),
            words.number(old.data.images) if old.data else "–",
            words.number(new.data.images) if new.data else "–",
            "",
        ),
    ]
    left, right = old.metrics, new.metrics
    if left is None or right is None:
        return rows
    pairs = [(words("Accuracy on its own holdout"), left.accuracy.value, right.accuracy.value)]
    recalls = {str(one.label): one.recall for one in right.classes}
    pairs += [
        (words("Found of {label}", label=one.label), one.recall, recalls[str(one.label)])
        for one in left.classes
        if str(one.label) in recalls
    ]
    rows += [
        (name, words.percent(before), words.percent(after), _points(words, after - before))
        for name, before, after in pairs
    ]
    return rows


def _points(words: Words, difference: float) -> str:
    """In points of a percentage, with its sign."""
    sign = "+" if difference > 0 else "\N{MINUS SIGN}" if difference < 0 else "±"
    return f"{sign}{words.number(abs(100 * difference), 1)}"


def _extractor(manifest: Manifest) -> str:
    return "–" if manifest.extractor is None else manifest.extractor.name
