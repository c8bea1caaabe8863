"""Where an imported model came from."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

_Text = Annotated[str, Field(max_length=2000)]
_REGISTRY: Final = ("models:", "runs:")


class Source(BaseModel):
    """What was taken, so that it can be found again: kept in the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: _Text = Field(description="as it was named: a file, a folder, or a model of MLflow")
    file: _Text = Field(description="the one that holds the estimator")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of that file")
    server: _Text | None = Field(default=None, description="the MLflow server's host")
    version: _Text | None = Field(
        default=None, description="the registered model and its version, such as digits/3"
    )
    run: _Text | None = Field(default=None, description="the run of MLflow that logged it")
    scikit_learn: _Text | None = Field(
        default=None, description="that saved it, as far as is known"
    )

    def __str__(self) -> str:
        parts = [self.uri, *([f"version {self.version}"] if self.version else [])]
        parts += [f"run {self.run}"] if self.run else []
        parts += [f"of MLflow at {self.server}"] if self.server else []
        parts += [f"file {self.file}"] if self.file != self.uri else []
        return ", ".join([*parts, f"SHA-256 {self.sha256[:12]}"])


def is_uri(text: str) -> bool:
    """Whether it names a model of an MLflow server, and not a file."""
    return text.startswith(_REGISTRY)
