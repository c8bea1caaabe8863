"""Which of ONNX Runtime's execution providers are refused."""

import pytest

from errors import SettingsError
from models.session import CPU
from serving.providers import refuse_providers


def test_the_default_and_those_that_are_installed_pass() -> None:
    import onnxruntime

    refuse_providers([CPU])
    refuse_providers(onnxruntime.get_available_providers())


@pytest.mark.parametrize("name", ["FastExecutionProvider", "cpu"])
def test_another_one_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(SettingsError, match=f"'{name}'.*has.*{CPU}"):
        refuse_providers([CPU, name])
