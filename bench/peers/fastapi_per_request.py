# mypy: disable-error-code="import-not-found, untyped-decorator, misc, unused-ignore"
"""FastAPI that loads the pickle for each request, as many a first version does."""

from fastapi import FastAPI

from bench.peers.classifier import Classifier
from bench.peers.fastapi_memory import Answer, Question

app = FastAPI()


@app.post("/predict/")
def predict(question: Question) -> Answer:
    [label] = Classifier.load().predict([question.image])
    return Answer(request_id=question.request_id, prediction=label)
