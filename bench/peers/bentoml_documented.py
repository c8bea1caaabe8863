# mypy: disable-error-code="untyped-decorator, misc, unused-ignore"
"""BentoML's adaptive batching as documented for an API of several parameters: two services.

A batchable API takes one parameter, so a service in front takes the fields and passes the image on.
https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
"""

import bentoml

from bench.peers.classifier import Classifier


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.classifier = Classifier.load()

    @bentoml.api(batchable=True)
    def classify(self, images: list[str]) -> list[int | str]:
        return self.classifier.predict(images)


@bentoml.service
class Gateway:
    model = bentoml.depends(Model)

    @bentoml.api(route="/predict/")
    async def predict(self, request_id: str, model: str, image: str) -> dict[str, int | str]:  # noqa: ARG002
        [label] = await self.model.to_async.classify([image])
        return {"request_id": request_id, "prediction": label}
