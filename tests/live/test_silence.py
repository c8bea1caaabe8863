"""Nothing of ours opens a connection that nobody has configured."""

import os
import sys
from pathlib import Path

import pytest

from tests.forking import listening
from tests.netns import packets, require
from tests.servers import ROOT, environment
from tests.sharing import FOLDER, NUMBER

# ONNX Runtime's first report came 20 seconds after the start. `make silence` listens for a minute.
SECONDS = int(os.environ.get("SILENCE_SECONDS", "24"))

COMMANDS = """
set -e
bin=$(dirname "$1")
# Each command is a fork of one process, in the same namespace: Python's imports are once enough.
"$1" tests/forks.py "$4" $$ >"$2/forks.log" 2>&1 &
run() { "$1" -ISs tests/forked.py "$2" -m $3; }
run "$1" "$5" train
"$bin/bentoml" serve . --host 127.0.0.1 --port 8000 >"$2/log" 2>&1 &
server=$!
end=$(($(date +%s) + $3))
for command in "models list" "models show clf" "models export clf $2/clf.bentomodel" \
    "models promote clf --because tests" "models history clf" \
    "models import tests/data/clf.pickle --name old --image-spec digits --trust" \
    "records stats" "monitor run" "score $2/images --out $2/scores.parquet"; do
    echo "== $command"
    # The monitor may find no records yet.
    run "$1" "$5" "$command" || [ "$command" = "monitor run" ]
done
while [ "$(date +%s)" -lt "$end" ] || ! curl --silent --fail --noproxy '*' \
    http://127.0.0.1:8000/readyz >/dev/null; do
    kill -0 $server
    # Or it starts programs as fast as it can all that time.
    sleep 0.2
done
curl --silent --fail --noproxy '*' --data-binary @tests/data/digit8.jpg \
    http://127.0.0.1:8000/predict/clf
kill -TERM $server
wait $server
"""


@pytest.fixture
def network() -> None:
    require()


@pytest.mark.usefixtures("network")
def test_no_command_and_no_server_calls_out(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "8.jpg").write_bytes((ROOT / "tests/data/digit8.jpg").read_bytes())
    variables = environment(tmp_path)
    del variables["BENTOML_DO_NOT_TRACK"]
    # A platform may set these for all of its containers; a collector of ours is a setting of ours.
    variables |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://198.51.100.1:4318",
        "OTEL_TRACES_EXPORTER": "otlp",
    }
    path = FOLDER / f"silence-{NUMBER}"
    with listening(path) as descriptor:
        arguments = [sys.executable, str(tmp_path), str(SECONDS), str(descriptor), str(path)]
        command = ["sh", "-c", COMMANDS, "sh", *arguments]
        count, output = packets(command, variables, ROOT, [descriptor])
    assert '"prediction":8' in output
    assert count == 0, output


@pytest.mark.usefixtures("network")
def test_a_packet_would_be_counted() -> None:
    ask = "import socket; socket.socket().connect_ex(('198.51.100.1', 443))"
    command = ["timeout", "1", sys.executable, "-c", ask]
    count, _ = packets(["sh", "-c", '"$@" || true', "sh", *command], dict(os.environ), ROOT)
    assert count > 0
