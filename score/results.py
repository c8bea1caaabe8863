"""The rows of the output."""

from collections.abc import Sequence

import pyarrow as pa

from models.manifest import Manifest
from score.scorer import UNREADABLE, Answers
from score.source import Chunk


class Results:
    """What the columns of one version's results are, and the tables made of its answers.

    ``id``, ``prediction`` (int64 or string, as the labels are; null where there is none),
    ``version`` (the tag), ``error`` (why the image could not be read, or null) and, if asked for,
    ``p_<label>`` (float32) for each label.
    """

    def __init__(
        self, manifest: Manifest, tag: str, id_type: pa.DataType, probabilities: bool
    ) -> None:
        kind = pa.string() if manifest.label_type == "string" else pa.int64()
        self._labels = pa.array(manifest.labels, kind)
        self._tag = tag
        fields = [
            pa.field("id", id_type),
            pa.field("prediction", kind),
            pa.field("version", pa.string()),
            pa.field("error", pa.string()),
        ]
        if probabilities:
            fields += [pa.field(f"p_{label}", pa.float32()) for label in manifest.labels]
        self.schema = pa.schema(fields)

    def table(self, chunk: Chunk, answers: Answers) -> pa.Table:
        unreadable = answers.places == UNREADABLE
        columns: Sequence[pa.Array] = [
            chunk.ids,
            self._labels.take(pa.array(answers.places, mask=unreadable)),
            pa.repeat(self._tag, len(unreadable)),
            pa.array(answers.reasons, pa.string()),
        ]
        if answers.scores is not None:
            columns = [
                *columns,
                *(pa.array(score, mask=unreadable) for score in answers.scores.T),
            ]
        return pa.Table.from_arrays(columns, schema=self.schema)
