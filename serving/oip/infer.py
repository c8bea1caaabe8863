"""Classifies the images of a tensor, by the Open Inference Protocol.

It goes the way of ``/predict/``: admission, deadline, rollouts, batcher, records and metrics are
the same. An image that fails fails the request, for the protocol has no errors of single ones.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from errors import (
    BadRequestError,
    NotFoundError,
    RejectedImageError,
    RequestError,
    UnusableScoresError,
)
from serving.classifying import Classifying, GivenItem, Item, answered_by
from serving.endpoint import ClientGone, Exchange
from serving.http.oip import INFER, oip_error
from serving.http.parser import ImageItem
from serving.http.reply import Reply
from serving.inference.engine import Engine, Given, Prediction
from serving.inference.honesty import Said
from serving.offloop import LARGE_BYTES, off_loop
from serving.oip.answer import Answered, answer, outputs_of
from serving.oip.given import given
from serving.oip.request import (
    EMBEDDING,
    KNOWN,
    LABEL,
    PREDICTION_SET,
    PROBABILITIES,
    Asked,
    Output,
    json_length,
    parse_request,
)
from serving.oip.tensors import numbered
from serving.responses import said_of_all
from serving.routing.trial import Trial, Tried


class _Wants(NamedTuple):
    """What the protocol can ask for besides the label."""

    probabilities: bool
    embedding: bool = False
    coverage: float | None = None
    known: bool = False


_WANTS: Final = {probabilities: _Wants(probabilities) for probabilities in (False, True)}

# Outputs that are the same whoever asks for what else.
_USUAL: Final = frozenset((LABEL, PROBABILITIES))


class Infer(Classifying):
    """Its requests have the model in the path, which the front has read."""

    route = INFER

    def refusal(self, error: RequestError) -> Reply:
        return oip_error(error)

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        model: str = exchange.scope["path_params"]["model"]
        with self._admission.slots(1):
            length = json_length(exchange.scope, len(body))
            if len(body) > LARGE_BYTES:
                asked = await off_loop(parse_request, body, length)
            else:
                asked = parse_request(body, length)
            exchange.request_id = asked.id
            exchange.require(model)
            if asked.tensor.images == 1:
                return await self._one(exchange, model, asked, client_gone)
        return await self._several(exchange, model, asked, client_gone)

    async def _one(
        self, exchange: Exchange, model: str, asked: Asked, client_gone: ClientGone
    ) -> Reply:
        expires = self._expires()
        trial = self._trials.get(model) if self._trials else None
        engine = exchange.engine = await self._answering(model, trial, expires)
        outputs = outputs_of(asked, engine.manifest, engine.tag)
        (image,) = _images(asked, engine)
        wants = _wants(outputs, trial)
        try:
            prediction = await self._ask(
                exchange, trial, asked.id, image, wants, expires, client_gone
            )
        except UnusableScoresError as error:
            raise _blamed(error, image) from None
        engine = exchange.engine
        said = exchange.said
        label = None if said is not None and said.abstains else prediction.label
        return answer(
            asked,
            outputs,
            [Answered(label, prediction.answer.scores, engine.manifest, said, prediction.inputs)],
            engine.version.name,
            engine.version.version,
            engine.header,
        )

    async def _several(
        self, exchange: Exchange, model: str, asked: Asked, client_gone: ClientGone
    ) -> Reply:
        count = asked.tensor.images
        exchange.charge(count)
        with self._admission.slots(count):
            expires = self._expires()
            trial = self._trials.get(model) if self._trials else None
            engine = exchange.engine = await self._answering(model, trial, expires)
            outputs = outputs_of(asked, engine.manifest, engine.tag)
            items: list[Item] = [
                GivenItem(f"{asked.id}-{number}", image)
                if isinstance(image, Given)
                else ImageItem(f"{asked.id}-{number}", image)
                for number, image in enumerate(_images(asked, engine), 1)
            ]
            if trial is not None and not _fit_together(engine, trial.challenger, outputs):
                trial = None
            wants = _wants(outputs, trial)
            answers = await self._each(engine, trial, items, wants, expires, client_gone)
        self._raise_failed(engine, items, answers)
        said = await said_of_all(engine, answers, wants)
        self._record_items(engine, items, answers, said)
        tried = {outcome.engine for outcome in answers if isinstance(outcome, Tried)}
        version = (tried.pop() if len(tried) == 1 else engine).version
        return answer(
            asked,
            outputs,
            [_answered(engine, *pair) for pair in zip(answers, said, strict=True)],
            version.name,
            version.version,
            answered_by(engine, answers),
        )

    def _raise_failed(
        self,
        engine: Engine,
        items: Sequence[Item],
        answers: Sequence[Prediction | Tried | RequestError],
    ) -> None:
        """Raises the error of an image that got no label, if there is one."""
        first: RequestError | None = None
        for number, (item, outcome) in enumerate(zip(items, answers, strict=True)):
            if not isinstance(outcome, RequestError):
                continue
            error = _blamed(outcome, item.image)
            if isinstance(error, BadRequestError):
                error = numbered(error, number, len(items))
            first = first or error
            if (
                self._recorder is not None
                and isinstance(outcome, RejectedImageError)
                and isinstance(item.image, bytes)
            ):
                self._recorder.rejected(engine, item.request_id, item.image, outcome.reason)
        if first is not None:
            raise first

    async def _answering(self, model: str, trial: Trial | None, expires: float) -> Engine:
        if trial is not None:
            return trial.champion
        try:
            return await self._engine(model, expires)
        except BadRequestError:
            raise unknown(model) from None


def unknown(model: str) -> NotFoundError:
    """The error for a model, or a version of it, that is not served."""
    return NotFoundError(
        f"There is no model {model[:100]!r}; POST /v2/repository/index lists those that are served."
    )


def _images(asked: Asked, engine: Engine) -> Sequence[bytes | Given]:
    """Files as they came, or what needs no decoding."""
    content = asked.tensor.content
    if isinstance(content, list):
        return content
    return given(asked.tensor, engine.manifest.image_spec)


def _blamed(error: RequestError, image: object) -> RequestError:
    """Of features, scores that are not numbers are the client's fault, not the version's."""
    if isinstance(error, UnusableScoresError) and isinstance(image, Given) and not image.image:
        return BadRequestError(
            "The features make scores that are not numbers; send what the training's are like."
        )
    return error


def _wants(outputs: Sequence[Output], trial: Trial | None) -> _Wants:
    """What must be asked for to answer these outputs."""
    names = {output.name for output in outputs}
    # Without a trial nobody needs them by label.
    usual = _WANTS[trial is not None and PROBABILITIES in names]
    if names <= _USUAL:
        return usual
    coverages = (output.coverage for output in outputs if output.name == PREDICTION_SET)
    return usual._replace(
        embedding=EMBEDDING in names, coverage=next(coverages, None), known=KNOWN in names
    )


def _fit_together(first: Engine, second: Engine, outputs: Sequence[Output]) -> bool:
    """Whether what both answer is of one shape: it is in the same tensors."""
    if first.manifest.labels != second.manifest.labels:
        return False
    return first.extractor == second.extractor or all(one.name != EMBEDDING for one in outputs)


def _answered(
    engine: Engine, outcome: Prediction | Tried | RequestError, said: Said | None
) -> Answered:
    assert not isinstance(outcome, RequestError)  # noqa: S101 - raised before
    if isinstance(outcome, Tried):
        engine, outcome = outcome.engine, outcome.prediction
    label = None if said is not None and said.abstains else outcome.label
    return Answered(label, outcome.answer.scores, engine.manifest, said, outcome.inputs)
