# mypy: disable-error-code="import-not-found, attr-defined, untyped-decorator, misc, unused-ignore"
"""Ray Serve with ``@serve.batch``, one replica.

https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html
"""

import os

import ray
from ray import serve
from starlette.requests import Request

from bench.peers.classifier import BATCH_SIZE, BATCH_WAIT_SECONDS, Classifier

# By default a replica takes five requests at once, which a batch would never exceed.
ONGOING = 4 * BATCH_SIZE


@serve.deployment(max_ongoing_requests=ONGOING)
class App:
    def __init__(self) -> None:
        self.classifier = Classifier.load()

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=BATCH_WAIT_SECONDS)
    async def classify(self, images: list[str]) -> list[int | str]:
        return self.classifier.predict(images)

    async def __call__(self, request: Request) -> dict[str, int | str]:
        fields = await request.json()
        label = await self.classify(fields["image"])
        return {"request_id": fields["request_id"], "prediction": label}


if __name__ == "__main__":
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(App.bind(), route_prefix="/predict", blocking=True)
