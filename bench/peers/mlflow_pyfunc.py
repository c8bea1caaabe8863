# mypy: disable-error-code="import-not-found, misc, unused-ignore"
"""MLflow: a Python model, saved and then served by ``mlflow models serve``.

    PORT=8001 python -m bench.peers.mlflow_pyfunc <folder to save to>

https://mlflow.org/docs/latest/ml/traditional-ml/tutorials/creating-custom-pyfunc/
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc

from bench.peers.classifier import Classifier


class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context: object) -> None:  # noqa: ARG002
        self.classifier = Classifier.load()

    def predict(self, model_input: list[str], params: Any = None) -> Any:  # noqa: ARG002
        return self.classifier.predict(model_input)


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    # Without requirements of its own, saving would look for them in a process of its own.
    mlflow.pyfunc.save_model(str(folder), python_model=Model(), pip_requirements=["mlflow"])
    options = ["-m", str(folder), "-h", "127.0.0.1", "-p", os.environ["PORT"]]
    program = str(Path(sys.executable).with_name("mlflow"))
    command = [program, "models", "serve", *options, "--env-manager", "local", "--workers", "1"]
    os.execv(program, command)  # noqa: S606


if __name__ == "__main__":
    from bench.peers import mlflow_pyfunc

    # By its own name, so that the server can load what was saved.
    mlflow_pyfunc.main()
