# mypy: disable-error-code="import-not-found, misc, unused-ignore"
"""MLServer: a custom runtime with adaptive batching, asked by its V2 protocol.

The batch size and time are in the ``model-settings.json`` that ``bench.servers`` writes.
https://mlserver.readthedocs.io/en/latest/user-guide/custom.html
"""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers.classifier import classifier


class Runtime(MLModel):
    async def load(self) -> bool:
        self.classifier = classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        labels = self.classifier.predict(StringCodec.decode_input(payload.inputs[0]))
        output = (
            StringCodec.encode_output("label", labels)
            if isinstance(labels[0], str)
            else NumpyCodec.encode_output("label", np.array(labels).reshape(-1, 1))
        )
        return InferenceResponse(model_name=self.name, outputs=[output])
