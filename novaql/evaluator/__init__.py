"""Plan → numbers: pipelines run over batches, operators over the results of pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.evaluator.estimate import Estimate as Estimate
    from novaql.evaluator.memory import QueryMemory as QueryMemory
    from novaql.evaluator.profile import Profile as Profile
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "estimate": "Estimate",
            "memory": "QueryMemory",
            "profile": "Profile",
        },
    )
