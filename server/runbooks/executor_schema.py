"""Request and response models of the executors that script steps can name."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from novaql.server.executors import Executor, Executors
from novaql.server.http.shapes import ResponseModel


class ExecutorParameterOut(ResponseModel):
    """A parameter of an executor."""

    name: str
    pattern: str = Field(description="RE2 regex that the whole value matches")
    max_bytes: int = Field(description="longest value, in UTF-8")
    leading_dash: bool = Field(description="whether a value may begin with `-`")
    stdin: bool = Field(description="the program reads it from stdin; false: an argument only")


class ExecutorOut(ResponseModel):
    """An executor that the configuration grants the tenant."""

    name: str
    available: bool
    reason: str | None = Field(description="why it is not available; null: it is")
    network: bool = Field(description="whether the program can connect to other systems")
    timeout_s: float = Field(description="the longest run; a step may have less")
    output_bytes: int = Field(description="of the output; the rest is discarded")
    parameters: list[ExecutorParameterOut]

    @classmethod
    def shown(cls, executor: Executor) -> Self:
        """Return an executor for clients, without its command and the files that it reads."""
        config = executor.config
        return cls(
            name=executor.name,
            available=not executor.unavailable,
            reason=executor.unavailable or None,
            network=config.network,
            timeout_s=config.limits.timeout_s,
            output_bytes=config.limits.output_bytes,
            parameters=[
                ExecutorParameterOut(
                    name=name,
                    pattern=one.pattern,
                    max_bytes=one.max_bytes,
                    leading_dash=one.leading_dash,
                    stdin=config.stdin in ("json", f"{{{name}}}"),
                )
                for name, one in sorted(config.parameters.items())
            ],
        )


class ExecutorsOut(ResponseModel):
    """The executors that script steps of the tenant can name."""

    isolation: str = Field(description="how the server isolates scripts; `off`: it has none")
    data: list[ExecutorOut]

    @classmethod
    def of(cls, executors: Executors) -> Self:
        """Return executors for clients, by name."""
        ordered = [executors.by_name[name] for name in executors.names()]
        return cls(isolation=executors.isolation, data=[ExecutorOut.shown(one) for one in ordered])
