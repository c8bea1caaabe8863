"""What an answer says, and what else the version says of it."""

import asyncio
from collections.abc import Sequence

from pybase64 import b64encode_as_string

from errors import RequestError
from serving.http.parser import ImageItem, Wants
from serving.http.schema import ItemError, PredictResponse
from serving.inference.engine import Engine, Prediction
from serving.inference.honesty import Said
from serving.routing.trial import Tried


def check(engine: Engine, wants: Wants) -> None:
    """Raises BadRequestError for what the version cannot say of any image."""
    if wants.probabilities:
        engine.check_probabilities()
    if wants.embedding:
        engine.check_embedding()
    if wants.coverage is not None or wants.known:
        engine.honesty.check(wants.coverage, wants.known)


async def said_of(engine: Engine, prediction: Prediction, wants: Wants) -> Said:
    await engine.honesty.read()
    return engine.honesty.say(prediction.answer, prediction.inputs, wants.coverage, wants.known)


async def said_of_all(
    engine: Engine, answers: Sequence[Prediction | Tried | RequestError], wants: Wants
) -> list[Said | None]:
    """None for an error, and where nothing is to be said."""
    said: list[Said | None] = [None] * len(answers)
    asks = wants.coverage is not None or wants.known
    for row, answer in enumerate(answers):
        if isinstance(answer, RequestError):
            continue
        by, prediction = (
            (answer.engine, answer.prediction) if isinstance(answer, Tried) else (engine, answer)
        )
        if asks or by.honesty.abstain is not None:
            said[row] = await said_of(by, prediction, wants)
            # Others are answered in between.
            await asyncio.sleep(0)
    return said


def response_of(
    request_id: str | int, prediction: Prediction, wants: Wants, said: Said | None
) -> PredictResponse:
    response: PredictResponse = {"request_id": request_id, "prediction": prediction.label}
    if prediction.probabilities is not None:
        response["probabilities"] = prediction.probabilities
    if said is not None:
        if said.abstains:
            response["prediction"] = None
        if said.prediction_set is not None:
            response["prediction_set"] = said.prediction_set
        if said.known is not None and (wants.known or said.abstains):
            response["known"] = said.known
    if wants.embedding:
        numbers = prediction.inputs.astype("<f4", copy=False).tobytes()
        response["embedding"] = b64encode_as_string(numbers)
    return response


def item_response(
    item: ImageItem,
    answer: Prediction | Tried | RequestError,
    wants: Wants,
    said: Said | None,
) -> PredictResponse | ItemError:
    if isinstance(answer, RequestError):
        return {"request_id": item.request_id, "detail": str(answer)}
    if isinstance(answer, Tried):
        answer = answer.prediction
    assert item.request_id is not None  # noqa: S101 - an item without one is an error
    return response_of(item.request_id, answer, wants, said)
