"""A model store of this run's own: no test ever sees, or touches, the user's."""

import atexit
import os
import shutil
import tempfile

HOME = tempfile.mkdtemp(prefix="pupila-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in list(os.environ):
    if name.startswith(("PUPILA_", "BENTOML_")) or name == "PORT":
        del os.environ[name]
# Before anything imports BentoML, which reads it once.
os.environ["BENTOML_HOME"] = HOME
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
