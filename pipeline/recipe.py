"""By which recipe a champion's candidate is trained."""

from errors import PipelineError
from models.version import Version
from train.options import OF_PHOTOS
from train.recipes import for_features


def recipe_of(champion: Version, chosen: str | None = None) -> str | None:
    """The chosen one, or the champion's; None if that was made by none.

    Raises PipelineError for one that is for photos, of a champion without an extractor.
    """
    manifest = champion.manifest
    if chosen is None:
        return manifest.recipe
    if manifest.extractor is not None:
        return for_features(chosen)
    if chosen == OF_PHOTOS:
        raise PipelineError(
            f"The recipe {chosen} is for photos, and {champion.tag} has no feature extractor: "
            "choose another one."
        )
    return chosen
