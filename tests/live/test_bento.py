"""The Bento: built from the checkout, served from an empty folder."""

import subprocess
import sys
from pathlib import Path

import httpx2

from models.store import Store
from tests.drafts import LinearDraft
from tests.servers import ROOT, environment, serve

BODY = Path("tests/data/predict_digit8.json").read_bytes()


def test_a_bento_packs_the_champions_and_serves(tmp_path: Path) -> None:
    home = tmp_path / "home"
    empty = tmp_path / "empty"
    empty.mkdir()
    store = Store(home / "models")
    store.save(LinearDraft(answer=3))
    champions = [store.save(LinearDraft(answer=8)), store.save(LinearDraft("other"))]
    built = subprocess.run(
        [str(Path(sys.executable).with_name("bentoml")), "build", "-o", "tag"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    tag = built.stdout.strip().removeprefix("__tag__:")
    folder = home / "bentos" / tag.replace(":", "/")
    packed = (folder / "bento.yaml").read_text()
    assert all(f"tag: {champion.tag}" in packed for champion in champions)
    source = folder / "src"
    assert {path.name for path in source.iterdir()} == {
        "bentofile.yaml", "cli.py", "errors.py", "models", "requirements", "service.py",
        "serving", "settings.py",
    }  # fmt: skip

    with serve(home, target="pupila:latest", folder=empty) as server:
        response = httpx2.post(f"{server.url}/predict/", content=BODY)
        assert response.json() == {"request_id": "123", "prediction": 8}
        assert response.headers["x-model-version"] == champions[0].tag
        assert httpx2.get(f"{server.url}/docs.json").json()["info"]["version"] in tag
