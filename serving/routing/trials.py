"""The rollouts that are going on in this worker, by the names that clients ask for."""

from records.routing import Rollout
from serving.inference.engine import Engine
from serving.metrics import ROLLOUT_PAUSED, ROLLOUT_SHARE, ROLLOUT_STAGE
from serving.recording.recorder import Recorder
from serving.routing.trial import Trial
from settings import Settings

_STAGES = {"shadow": 1, "canary": 2}


class Trials:
    """``running``: by what a client writes that leaves the choice to us, ``clf`` or, as older
    clients have it, ``clf.pickle``. ``clf:champion`` is the champion."""

    def __init__(self, settings: Settings, recorder: Recorder | None = None) -> None:
        """Without a recorder, nothing is counted in the database, and there is no shadow."""
        self._settings = settings
        self._recorder = recorder
        self.running: dict[str, Trial] = {}

    def set(self, rollout: Rollout, champion: Engine, challenger: Engine) -> None:
        """Begin it, or go on as was decided; the same one goes on undisturbed."""
        name = rollout.model
        present = self.running.get(name)
        if (
            present is not None
            and present.rollout == rollout
            and present.champion is champion
            and present.challenger is challenger
        ):
            return
        trial = Trial(rollout, champion, challenger, self._settings, self._recorder)
        if present is not None:
            trial.sides = present.sides if present.rollout.id == rollout.id else trial.sides
            present.end()
            if present.challenger is challenger:
                # The end has given it the champion's threads back.
                trial.occupy()
        self.running[name] = self.running[f"{name}.pickle"] = trial
        ROLLOUT_SHARE.labels(name).set(0.0 if rollout.paused else rollout.share)
        ROLLOUT_STAGE.labels(name).set(_STAGES.get(rollout.stage, 0))
        ROLLOUT_PAUSED.labels(name).set(rollout.paused)

    def end(self, model: str) -> None:
        """The champion answers all."""
        trial = self.running.pop(model, None)
        if trial is None:
            return
        del self.running[f"{model}.pickle"]
        trial.end()
        for gauge in (ROLLOUT_SHARE, ROLLOUT_STAGE, ROLLOUT_PAUSED):
            gauge.labels(model).set(0)

    def roles_changed(self) -> None:
        """Versions have other roles from now on."""
        if self._recorder is not None:
            self._recorder.renew()

    def close(self) -> None:
        for model in [name for name, trial in self.running.items() if trial.rollout.model == name]:
            self.end(model)
