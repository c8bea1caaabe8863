# mypy: disable-error-code="import-not-found, untyped-decorator, misc, unused-ignore"
"""FastAPI, the obvious way: the estimator is loaded once, a plain function answers.

FastAPI runs a plain ``def`` in its thread pool, as its documentation advises for what computes.
"""

from fastapi import FastAPI
from pydantic import BaseModel

from bench.peers.classifier import classifier


class Question(BaseModel):
    request_id: str
    model: str
    image: str


class Answer(BaseModel):
    request_id: str
    prediction: int | str


app = FastAPI()
model = classifier()


@app.post("/predict/")
def predict(question: Question) -> Answer:
    [label] = model.predict([question.image])
    return Answer(request_id=question.request_id, prediction=label)
