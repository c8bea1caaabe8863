"""Which of ONNX Runtime's execution providers are refused."""

import pytest

from errors import SettingsError
from models.session import CPU
from serving.providers import refuse_providers


def test_the_default_and_those_that_are_installed_pass() -> None:
    import onnxruntime

    refuse_providers([CPU])
    refuse_providers(onnxruntime.get_available_providers())


def test_another_one_is_named_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=f"'FastExecutionProvider'.*has.*{CPU}"):
        refuse_providers([CPU, "FastExecutionProvider"])


@pytest.mark.parametrize("chosen", [(), (CPU, CPU)])
def test_none_or_one_twice_is_refused(chosen: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="each once"):
        refuse_providers(chosen)
