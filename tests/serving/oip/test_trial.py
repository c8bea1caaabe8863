"""Tensors while a challenger is on trial: the same sides, shadow and records as images."""

import json
from pathlib import Path
from typing import Any

import pytest

from images.spec import ImageSpec
from serving.inference.admission import Admission
from serving.oip.infer import Infer
from tests.drafts import LinearDraft
from tests.serving.oip.asking import tensor
from tests.serving.routing.house import House, Open, houses, sending
from tests.waiting import until_async

OTHER = LinearDraft(answer=3)


@pytest.fixture
def house(tmp_path: Path) -> Open:
    return houses(tmp_path)


async def ask(it: House, request_id: str, name: str, images: int = 1) -> tuple[Any, str]:
    """The labels, and who answered."""
    sent = tensor(name)
    sent |= {"shape": [images, *sent["shape"][1:]], "data": sent["data"] * images}
    scope = {"type": "http", "headers": [], "path_params": {"model": "clf"}}
    parts = it.registry, it.settings, Admission(it.settings), it.recorder
    reply = await Infer(*parts)(scope, sending({"id": request_id, "inputs": [sent]}))
    assert reply.status == 200, reply.body
    answer = json.loads(reply.body)
    versions = [value.decode() for key, value in reply.headers if key == b"x-model-version"]
    return answer["outputs"][0]["data"], versions[0]


@pytest.mark.parametrize("name", ["image", "pixels", "features"])
async def test_the_challenger_answers_its_share(house: Open, name: str) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.25)
        got = [await ask(it, str(number), name) for number in range(80)]
        by = {8: it.champion.tag, 3: it.challenger.tag}
        assert all(by[labels[0]] == version for labels, version in got)
        answered = sum(version == it.challenger.tag for _, version in got)
        assert answered / 80 == pytest.approx(0.25, abs=0.15)
        assert [await ask(it, str(number), name) for number in range(80)] == got


async def test_an_id_has_the_same_side_whatever_it_sends(house: Open) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.5)
        for number in range(20):
            names = ("image", "pixels", "features")
            found = {(await ask(it, str(number), name))[1] for name in names}
            assert len(found) == 1


async def test_several_images_are_answered_by_both(house: Open) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.5)
        labels, version = await ask(it, "a", "pixels", images=40)
        assert set(labels) == {8, 3}
        assert version == f"{it.champion.tag}, {it.challenger.tag}"


@pytest.mark.parametrize(("name", "pairs"), [("image", 5), ("pixels", 5), ("features", 0)])
async def test_pairs_are_of_what_can_be_labelled(house: Open, name: str, pairs: int) -> None:
    async with house(OTHER) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        for number in range(5):
            assert (await ask(it, str(number), name))[1] == it.champion.tag
        # One more, of which there is a pair in any case.
        await ask(it, "last", "image")
        await until_async(lambda: it.trial._shadow._task is None)
        await it.recorder.settle({"last", *(str(number) for number in range(5))})
        found = it.rows("select differ from pairs")
        assert [bool(differ) for (differ,) in found] == [True] * (pairs + 1)


async def test_features_of_another_spec_are_the_champions(house: Open) -> None:
    other = LinearDraft(answer=3, spec=ImageSpec.parse("gray-4x4"))
    async with house(other) as it:
        await it.follow(share=1.0)
        assert (await ask(it, "1", "image"))[1] == it.challenger.tag
        assert (await ask(it, "1", "pixels"))[1] == it.champion.tag
        assert (await ask(it, "1", "features"))[1] == it.champion.tag
