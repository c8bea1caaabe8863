"""The settings of the records: where they are, and how much is kept. ``settings.Settings`` has them
too."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from settings_logs import LogSettings, url_like
from sizes import size_of


class RecordSettings(LogSettings):
    """What a server writes of requests, and which labels it takes."""

    # Not in the object's repr, since it may contain a password.
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="database of the records, `sqlite:////folder/file.db` or "
        "`postgresql://user:password@host/name`; by default `records.db` in `PUPILA_HOME`",
    )
    database_password: str | None = Field(
        default=None,
        repr=False,
        description="password of the database's user, as it is, where the URL has none",
    )

    record: bool = Field(
        default=True,
        description="whether to store predictions, and count all requests, in the database",
    )
    require_records: bool = Field(
        default=False,
        description="whether a server refuses to start while it cannot write to the database",
    )
    record_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="proportion of predictions to store; does not apply to rejected images, to "
        "predictions with low confidence, and to images that are found to be unknown",
    )
    record_per_minute: int = Field(
        default=600,
        ge=1,
        description="limit of predictions stored per minute and model, over all workers; a burst "
        "may use a whole minute's",
    )
    record_unsure: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="predictions with lower confidence are stored first",
    )
    record_disk: int = Field(
        default=2 * 1024**3,
        ge=0,
        description="limit of bytes that the records take in the database, such as `2GiB`: the "
        "oldest without a label are deleted first; 0 for no limit",
    )
    record_originals: bool = Field(
        default=False,
        description="whether to store large images as they were sent, in place of copies that are "
        "small enough for the disk and large enough for the model, and rejected images whole",
    )
    record_buffer_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="limit of bytes that a worker buffers for the database; more is dropped",
    )

    shadow_cpu: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="proportion of the time that a worker may spend on having the other version of "
        "a rollout classify images too",
    )

    label_per_minute: int = Field(
        default=6000,
        ge=1,
        description="limit of labels kept per minute, over all workers; a burst may use a whole "
        "minute's; more get 503",
    )
    label_bytes_per_minute: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="limit of bytes of images that come with labels per minute, over all workers; "
        "more get 503",
    )

    labelstudio_url: Annotated[
        str | None,
        url_like(r"https?://[^/\s@]+(/\S*)?", "http://localhost:8080, without a user"),
    ] = Field(
        default=None,
        description="where Label Studio is, for the images that were uploaded to it",
    )
    labelstudio_token: str | None = Field(
        default=None,
        repr=False,
        description="access token of a user of Label Studio, sent there with each image's request",
    )
    labelstudio_hosts: str = Field(
        default="",
        description="other hosts that images of Label Studio's tasks may be fetched from, such as "
        "`images.example.com, 203.0.113.7:9000`; by default none",
    )
    labelstudio_private: bool = Field(
        default=False,
        description="whether these hosts may have addresses of private networks",
    )

    @property
    def labelstudio_allowed_hosts(self) -> list[str]:
        """``labelstudio_hosts``, one by one."""
        return [host.strip() for host in self.labelstudio_hosts.split(",") if host.strip()]

    @field_validator("record_disk", mode="before")
    @classmethod
    def _size(cls, size: object) -> object:
        if not isinstance(size, str):
            return size
        found = size_of(size)
        if found is None:
            raise PydanticCustomError(
                "size", "Input should be a size such as 500MB or 2GiB, or 0 for no limit"
            )
        return found
