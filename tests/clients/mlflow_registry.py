"""Trains at home and hands over as people do; run by the interpreter of an environment of its own:
``python mlflow_registry.py tracking-uri folder``.

Registers two models with MLflow, one as cloudpickle and one as skops, and writes the folder of a
repository of the Hugging Face Hub. Prints JSON: what each is found by, and what it says of all
digits at home.
"""

import json
import sys
import warnings
from pathlib import Path

import mlflow
import mlflow.sklearn
import skops.io
from mlflow.models import infer_signature
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
mlflow.set_tracking_uri(sys.argv[1])
folder = Path(sys.argv[2])
features, targets = load_digits(return_X_y=True)
client = mlflow.MlflowClient()
said: dict[str, list[int]] = {}

for kind, model in (
    ("cloudpickle", LogisticRegression(C=0.01, max_iter=1000)),
    ("skops", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
):
    model.fit(features[:600], targets[:600])
    name = f"digits-{kind}"
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format=kind,
            signature=infer_signature(features[:5], model.predict(features[:5])),
            metadata={"image_spec": "digits"},
            registered_model_name=name,
            pip_requirements=["scikit-learn==1.9.1"],
        )
    client.set_registered_model_alias(name, "champion", 1)
    said[f"models:/{name}@champion"] = model.predict(features).tolist()

forest = RandomForestClassifier(20, random_state=0).fit(features[:600], targets[:600])
skops.io.dump(forest, folder / "model.skops")
config = {
    "columns": [f"x{number}" for number in range(64)],
    "environment": ["scikit-learn=1.9.1"],
    "model": {"file": "model.skops"},
    "model_format": "skops",
    "task": "tabular-classification",
}
(folder / "config.json").write_text(json.dumps({"sklearn": config}))
said[str(folder)] = forest.predict(features).tolist()
sys.stdout.write(json.dumps(said) + "\n")
