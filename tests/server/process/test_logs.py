"""Logs of the server are JSON, one object a line."""

from __future__ import annotations

import json
import subprocess
import sys

WARN = """
import warnings
from pydantic.warnings import UnsupportedFieldAttributeWarning
from novaql.server.process.logs import log_to_stderr
log_to_stderr("info")
warnings.warn("something\\nodd", UserWarning)
warnings.warn("a filter of FastAPI", UnsupportedFieldAttributeWarning)
"""


def test_warnings_of_python_are_log_lines() -> None:
    done = subprocess.run([sys.executable, "-c", WARN], capture_output=True, text=True, check=True)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "something\nodd" in line["message"]
