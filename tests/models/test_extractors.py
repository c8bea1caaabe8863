from collections.abc import Callable
from pathlib import Path

import pytest

from errors import ArtifactError, ModelError, UnknownVersionError
from models.extractor import EXTRACTOR, EXTRACTOR_GRAPH, Extractor, read_extractor
from models.extractors import Extractors
from models.info import BENTOML_INFO
from models.packing import packed_tags
from models.store import Store
from models.version import Version
from tests.extractors import (
    photos_candidate,
    saved_extractor,
    saved_photos_version,
    tiny_backbone,
    tiny_graph,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def test_a_prefix_of_a_version_is_enough(store: Store) -> None:
    extractor = saved_extractor(store)
    name, version = extractor.tag.split(":")
    assert Extractors(store).get(f"{name}:{version[:4]}").tag == extractor.tag
    assert Extractors(store).get(name).tag == extractor.tag


def test_an_unknown_one_is_named(store: Store) -> None:
    with pytest.raises(UnknownVersionError, match="no extractor 'tiny'"):
        Extractors(store).get("tiny")


def test_another_graph_is_another_version(store: Store) -> None:
    first = saved_extractor(store)
    second = saved_extractor(store, graph=tiny_graph(seed=1))
    assert first.tag != second.tag
    assert len(Extractors(store).all("tiny")) == 2


def test_it_is_not_removed_while_a_version_needs_it(store: Store) -> None:
    version = saved_photos_version(store)
    extractors = Extractors(store)
    with pytest.raises(ModelError, match=f"is needed by {version.tag}; delete"):
        extractors.remove(extractors.get("tiny"))
    store.delete(version)
    extractors.remove(extractors.get("tiny"))
    assert extractors.all() == []


def test_a_model_and_an_extractor_do_not_share_a_name(store: Store) -> None:
    saved_photos_version(store, name="colors")
    with pytest.raises(ModelError, match="is the name of a model"):
        saved_extractor(store, "colors")
    with pytest.raises(ModelError, match="is an extractor's name"):
        saved_photos_version(store, name="tiny")


def test_versions_are_found_without_looking_again(store: Store) -> None:
    version = saved_photos_version(store)
    assert [one.tag for one in store.versions()] == [version.tag]
    # The second look is one at folders' times, which the extractor's folder must not prevent.
    assert [one.tag for one in store.versions()] == [version.tag]


def test_a_manifest_that_was_changed_is_left_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    extractor = saved_extractor(store)
    path = extractor.path / EXTRACTOR
    path.chmod(0o644)
    path.write_text(path.read_text().replace("CC0-1.0", "MIT"))
    assert Extractors(store).all() == []
    assert "was changed or moved" in caplog.text


def test_a_version_does_not_take_another_extractor(store: Store) -> None:
    version = saved_photos_version(store)
    extractor = version.artifact.extractor()
    assert extractor is not None
    path = extractor.path / EXTRACTOR
    path.chmod(0o644)
    path.write_text(path.read_text().replace("CC0-1.0", "MIT"))
    with pytest.raises(ArtifactError, match="needs the extractor tiny:"):
        version.artifact.open()


def test_a_bento_gets_the_extractor_once(store: Store) -> None:
    extractor = saved_extractor(store)
    first = saved_photos_version(store, extractor)
    other = saved_photos_version(store, extractor, name="others")
    assert packed_tags(store) == (first.tag, other.tag, extractor.tag)


def test_a_manifest_says_what_is_wrong_with_it(store: Store) -> None:
    extractor = saved_extractor(store)
    path = extractor.path / EXTRACTOR
    path.chmod(0o644)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="does not follow schema 1"):
        read_extractor(extractor.path)


def test_a_graph_with_one_embedding_for_all_is_refused(store: Store) -> None:
    import numpy as np
    from onnx import load_model_from_string, numpy_helper

    from errors import ConversionError

    model = load_model_from_string(tiny_graph())
    for one in model.graph.initializer:
        if one.name == "dense":
            one.CopyFrom(numpy_helper.from_array(np.zeros((8, 12), np.float32), "dense"))
    with pytest.raises(ConversionError, match="every image the same embedding"):
        Extractors(store).save("tiny", tiny_backbone(graph=model.SerializeToString()).write)


def damage_graph(extractor: Extractor) -> None:
    with (extractor.path / EXTRACTOR_GRAPH).open("ab") as file:
        file.write(b"more")


DAMAGES: dict[str, Callable[[Extractor], object]] = {
    "altered graph": damage_graph,
    "no graph": lambda one: (one.path / EXTRACTOR_GRAPH).unlink(),
    "no manifest": lambda one: (one.path / EXTRACTOR).unlink(),
    "another manifest": lambda one: (one.path / EXTRACTOR).write_text("{}"),
    "no BentoML info": lambda one: (one.path / BENTOML_INFO).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_adding_again_mends_what_was_damaged(store: Store, damage: str) -> None:
    version = saved_photos_version(store)
    extractor = Extractors(store).get("tiny")
    DAMAGES[damage](extractor)
    mended = saved_extractor(store)
    assert mended.tag == extractor.tag
    mended.verify()
    assert [one.tag for one in Extractors(store).all()] == [mended.tag]
    version.artifact.open()


def test_adopting_again_mends_what_was_damaged(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    extractor = saved_extractor(other)
    assert Extractors(store).adopt(extractor)
    damage_graph(Extractors(store).get(extractor.tag))
    assert Extractors(store).adopt(extractor)
    Extractors(store).get(extractor.tag).verify()
    assert not Extractors(store).adopt(extractor)


def test_one_that_is_as_it_was_stays(store: Store) -> None:
    before = saved_extractor(store).path.stat().st_ino
    assert saved_extractor(store).path.stat().st_ino == before


def test_a_version_is_not_published_once_its_extractor_is_removed(store: Store) -> None:
    extractors = Extractors(store)
    extractor = saved_extractor(store)

    def removed_meanwhile(_written: Version) -> None:
        extractors.remove(extractor)

    with pytest.raises(ArtifactError, match=f"needs the extractor {extractor.tag}, which is not"):
        store.save(photos_candidate(extractor), written=removed_meanwhile)
    assert store.versions() == []


def test_one_other_version_is_one(store: Store) -> None:
    for seed in (0, 1):
        saved_photos_version(store, name=f"colors-{seed}", seed=seed)
    with pytest.raises(ModelError, match="and 1 other version; delete"):
        Extractors(store).remove(Extractors(store).get("tiny"))
