"""The settings of the gate, the guard and retraining, which ``settings.Settings`` has too."""

from base64 import b64encode

from pydantic import Field
from pydantic_settings import BaseSettings


class RolloutSettings(BaseSettings):
    """How a challenger is made and judged. A rollout keeps the rule with which it began."""

    # Not in the object's repr, since it may contain a password.
    mlflow_tracking_uri: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        repr=False,
        description="MLflow server, such as `https://mlflow.example.com`, that gets a run for each "
        "retraining and each verdict of the gate, and that has the models which `python -m models "
        "import` takes",
    )
    mlflow_username: str | None = Field(
        default=None, description="user who MLflow is told that this is, with a password"
    )
    mlflow_password: str | None = Field(
        default=None, repr=False, description="password of that user"
    )
    mlflow_token: str | None = Field(
        default=None,
        repr=False,
        description="access token for that, in place of a user and a password",
    )
    gate_margin: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="accuracy that a challenger may lose on a holdout; the gate passes it if it "
        "loses less for certain (95%), and refuses it if it loses more for certain",
    )
    gate_recall: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="recall that no class may lose for certain (95%, over all classes)",
    )
    gate_slower: float = Field(
        default=2.0,
        ge=1,
        description="the gate refuses a challenger that takes so many times as long for an image",
    )
    gate_larger: float = Field(
        default=4.0,
        ge=1,
        description="the gate refuses a challenger that takes so many times as much memory, and at "
        "least 64 MiB more",
    )
    gate_better: bool = Field(
        default=False,
        description="whether the gate passes only a challenger that is more accurate for certain",
    )
    guard_alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="probability that a rollout of a challenger that equals the champion ends in a "
        "promotion or rollback on false evidence, over all tests and stages",
    )
    guard_pairs: int = Field(
        default=200,
        ge=1,
        description="images that both versions classify in the shadow before the canary",
    )
    guard_labels: int = Field(
        default=20,
        ge=0,
        description="labelled disagreements before the canary, if the gate had too few images",
    )
    guard_requests: int = Field(
        default=500,
        ge=1,
        description="requests that a challenger gets with each share of the canary",
    )
    guard_minutes: float = Field(
        default=10.0, ge=0, description="minutes that each share of the canary takes at least"
    )
    guard_changed: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="proportion of changed answers above which there is no canary before labels "
        "show a gain",
    )
    guard_slower: float = Field(
        default=2.0,
        ge=1,
        description="how many times more often than the champion a challenger may be slower than "
        "the champion usually is",
    )
    guard_enough_pairs: int = Field(
        default=0,
        ge=0,
        description="pairs after which, with `PUPILA_GUARD_ENOUGH_LABELS`, a challenger is "
        "promoted without evidence of harm; 0 for only on evidence of a gain",
    )
    guard_enough_labels: int = Field(
        default=0,
        ge=0,
        description="labelled disagreements for that",
    )
    guard_days: float = Field(
        default=14.0, gt=0, description="days after which an undecided rollout is given up"
    )
    training_images_bytes: int = Field(
        default=4 * 2**30, ge=0, description="limit of bytes of kept training images; 0 keeps none"
    )
    embeddings_bytes: int = Field(
        default=2**30,
        ge=0,
        description="limit of bytes of the embeddings of images, in `embeddings` of `PUPILA_HOME`, "
        "so that another training need not compute them; 0 keeps none",
    )
    retrain_drop: float = Field(
        default=0.05, gt=0, lt=1, description="drop of accuracy, a proportion, to retrain after"
    )
    retrain_random_labels: int = Field(
        default=200, ge=30, description="labels of random draws that it takes to judge accuracy"
    )
    retrain_new_labels: int | None = Field(
        default=None, ge=1, description="new labels that are a reason to retrain; by default none"
    )
    retrain_age_days: float | None = Field(
        default=None, gt=0, description="age of a version that is a reason to retrain, if set"
    )
    retrain_interval_hours: float = Field(
        default=24.0, ge=0, description="hours between the starts of two retrainings of a model"
    )
    retrain_seconds: float = Field(
        default=3600.0, ge=1, description="limit of seconds for a retraining"
    )
    retrain_memory_bytes: int | None = Field(
        default=None,
        ge=256 * 2**20,
        description="limit of memory in bytes for a retraining; by default 3/4 of what is free",
    )
    retrain_max_images: int = Field(
        default=20_000, ge=10, description="limit of images to retrain on, the newest first"
    )
    publish: str | None = Field(
        default=None,
        description="command that brings a retrained version to servers with another store; it "
        "gets the version's tag, and the rollout begins once it has ended with 0",
    )
    retrain_holdout: float = Field(
        default=0.3, gt=0, lt=1, description="proportion of random draws that is never trained on"
    )
    ask_per_week: int = Field(
        default=100,
        ge=0,
        description="images a week whose label is asked for: so many drawn at random, a seventh "
        "of them a day, and during an alarm so many that the monitor names",
    )

    @property
    def mlflow_authorization(self) -> str | None:
        """The header that tells MLflow who this is; None where no setting says it."""
        if self.mlflow_token:
            return f"Bearer {self.mlflow_token}"
        if self.mlflow_username:
            pair = f"{self.mlflow_username}:{self.mlflow_password or ''}".encode()
            return f"Basic {b64encode(pair).decode()}"
        return None
