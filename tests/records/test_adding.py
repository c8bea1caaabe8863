"""Counts that are added up, in either database."""

import subprocess
import sys

from records.adding import adding
from records.schema import key_usage, traffic
from tests.servers import ROOT

LOADED = """
import sys
from serving.recording.connection import load
from records.adding import adding
from records.schema import traffic
load()
adding(traffic, "sqlite")
print("sqlalchemy.dialects.sqlite" in sys.modules, "sqlalchemy.dialects.postgresql" in sys.modules)
"""


def test_a_row_that_is_there_is_added_to() -> None:
    for table in (key_usage, traffic):
        for dialect in ("sqlite", "postgresql"):
            sentence = " ".join(str(adding(table, dialect)).split())
            assert f"SET count = ({table.name}.count + excluded.count)" in sentence


def test_a_server_loads_one_dialect() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
