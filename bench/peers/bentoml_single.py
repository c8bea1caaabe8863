# mypy: disable-error-code="untyped-decorator, misc, unused-ignore"
"""BentoML's adaptive batching in one service, whose clients must send lists."""

import bentoml

from bench.peers.classifier import Classifier


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.classifier = Classifier.load()

    @bentoml.api(route="/predict/", batchable=True)
    def predict(self, images: list[str]) -> list[int | str]:
        return self.classifier.predict(images)
