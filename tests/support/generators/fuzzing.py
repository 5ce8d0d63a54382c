"""The amount of fuzzing: NOVAQL_FUZZ=100000 examples of each property, instead of a few.

Hypothesis prints how to reproduce a failure (`@reproduce_failure`); `--hypothesis-seed`
repeats a run.
"""

from __future__ import annotations

import os

EXAMPLES = int(os.environ.get("NOVAQL_FUZZ", "60"))
