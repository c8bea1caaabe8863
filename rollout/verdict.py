"""What the gate found: frozen values that are stored, printed, rendered and sent."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.manifest import Label
from records.verdicts import Outcome, VerdictRow

State = Literal["passed", "refused", "unknown"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_Frozen):
    """One figure of both versions, and the challenger's minus the champion's, with its 95 %
    interval; None where there is nothing to divide by."""

    name: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None


class ClassMeasures(_Frozen):
    """Of one class; ``lost``: the p-value of an exact sign test that the challenger finds fewer of
    its images, or gets fewer of its scenes."""

    label: Label
    images: int
    lost: float
    measures: tuple[Measure, ...]


class Compared(_Frozen):
    """Both versions on the same images. ``wins``: images on which the challenger alone is right,
    ``losses``: the champion alone; ``low`` and ``high``: the interval of the difference in accuracy
    that the rule uses; ``lost``: as for a class; ``void``: why it does not count; ``scenes``: of
    how many the images are, None where each is of its own."""

    name: str
    images: int
    wins: int
    losses: int
    low: float
    high: float
    lost: float
    measures: tuple[Measure, ...]
    classes: tuple[ClassMeasures, ...]
    void: str | None = None
    scenes: int | None = None

    @property
    def independent(self) -> int:
        """How many of the images tell something of their own: a burst is one."""
        return self.images if self.scenes is None else self.scenes

    def difference(self) -> float:
        """In accuracy."""
        return next(one.difference or 0.0 for one in self.measures if one.name == "accuracy")


class Cost(_Frozen):
    """Milliseconds for one image, from its pixels to a label; bytes of the graph; bytes of memory
    that a process takes more with it, None where it could not be measured."""

    latency_ms: float
    size: int
    memory: int | None


class Check(_Frozen):
    """One rule, and whether it is met; ``because`` has the numbers and the threshold."""

    name: str
    state: State
    because: str


class GateRule(_Frozen):
    """See the settings ``PUPILA_GATE_…``. ``alpha``: the probability that an equal is refused, over
    all checks; ``least``: images, or scenes of photos, that a holdout needs to be asked for a
    proof."""

    margin: float = 0.01
    recall: float = 0.05
    slower: float = 2.0
    larger: float = 4.0
    better: bool = False
    alpha: float = 0.05
    least: int = 100


class GateVerdict(_Frozen):
    """The judgement of a challenger against the champion. Both are tags."""

    at: datetime
    model: str
    champion: str
    challenger: str
    outcome: Outcome
    because: str
    checks: tuple[Check, ...]
    holdouts: tuple[Compared, ...]
    costs: dict[Literal["champion", "challenger"], Cost]
    notes: tuple[str, ...]
    rule: GateRule

    def row(self) -> VerdictRow:
        """As ``records.verdicts`` keeps it."""
        return VerdictRow(
            at=self.at,
            model=self.model,
            champion=self.champion.partition(":")[2],
            challenger=self.challenger.partition(":")[2],
            outcome=self.outcome,
            body=self.model_dump_json(),
        )
