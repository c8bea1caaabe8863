"""The rows of the output."""

from collections.abc import Sequence

import pyarrow as pa

from models.manifest import Manifest
from score.scorer import UNREADABLE, Answers
from score.source import Chunk


class Results:
    """The columns of a version's results, and tables of its answers.

    ``id``, ``prediction`` (int64 or string, like the labels; null if there is none), ``version``
    (the tag), ``error`` (why the image is not readable, or null) and, if requested, ``p_<label>``
    (float32) for each label.
    """

    def __init__(
        self, manifest: Manifest, tag: str, id_type: pa.DataType, probabilities: bool
    ) -> None:
        label_type = pa.string() if manifest.label_type == "string" else pa.int64()
        self._labels = pa.array(manifest.labels, label_type)
        self._tag = tag
        fields = [
            pa.field("id", id_type),
            pa.field("prediction", label_type),
            pa.field("version", pa.string()),
            pa.field("error", pa.string()),
        ]
        if probabilities:
            fields += [pa.field(f"p_{label}", pa.float32()) for label in manifest.labels]
        self.schema = pa.schema(fields)

    def table(self, chunk: Chunk, answers: Answers) -> pa.Table:
        unreadable = answers.indices == UNREADABLE
        columns: Sequence[pa.Array] = [
            chunk.ids,
            self._labels.take(pa.array(answers.indices, mask=unreadable)),
            pa.repeat(self._tag, len(unreadable)),
            pa.array(answers.reasons, pa.string()),
        ]
        if answers.scores is not None:
            columns = [
                *columns,
                *(pa.array(score, mask=unreadable) for score in answers.scores.T),
            ]
        return pa.Table.from_arrays(columns, schema=self.schema)
