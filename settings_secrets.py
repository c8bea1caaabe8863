"""Settings that are secrets, read from files: an environment is shown by ``docker inspect``, and is
passed on to every process."""

import os
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from errors import SettingsError

SUFFIX: Final = "_FILE"


class SecretFiles(PydanticBaseSettingsSource):
    """``PUPILA_DATABASE_URL_FILE`` names a file with what ``PUPILA_DATABASE_URL`` would be.

    So for each setting that is not in the object's repr. Line ends after it do not count. Raises
    SettingsError for a file that cannot be read, and where both variables are set.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variable_of(field, field_name)
        path = os.environ.get(variable + SUFFIX)
        if field.repr or not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}{SUFFIX} are both set: unset one.")
        try:
            content = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(
                f"{variable}{SUFFIX} is {path!r}, which cannot be read: {reason}."
            ) from None
        if not content:
            raise SettingsError(f"{variable}{SUFFIX} is {path!r}, which is empty.")
        return content, variable, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key if field.validation_alias else name] = value
        return found


def variable_of(field: FieldInfo, name: str) -> str:
    """The environment variable of a field."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"PUPILA_{name}".upper()
