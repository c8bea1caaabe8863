# mypy: disable-error-code="import-not-found, misc, unused-ignore"
"""LitServe with its batching, which by default waits for nobody.

https://lightning.ai/docs/litserve/features/batching
"""

import os

import litserve

from bench.peers.classifier import BATCH_SIZE, classifier


class App(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002
        self.classifier = classifier()

    def decode_request(self, request: dict[str, str]) -> tuple[str, str]:
        return request["request_id"], request["image"]

    def predict(self, batch: list[tuple[str, str]]) -> list[tuple[str, int | str]]:
        labels = self.classifier.predict([image for _, image in batch])
        return [(name, label) for (name, _), label in zip(batch, labels, strict=True)]

    def encode_response(self, output: tuple[str, int | str]) -> dict[str, int | str]:
        return {"request_id": output[0], "prediction": output[1]}


if __name__ == "__main__":
    app = App(max_batch_size=BATCH_SIZE, api_path="/predict/")
    server = litserve.LitServer(app, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
