"""The console's page in a browser tab, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page


@dataclass
class Console:
    """The page in a separate tab, and its errors."""

    page: Page
    address: str
    token: str
    complaints: list[str] = field(default_factory=list)

    def open(self, query: str = "", *, token: bool = True) -> None:
        self.page.goto(self.address + query + (f"#token={self.token}" if token else ""))

    def run(self, query: str) -> None:
        """Type a query and run it by keyboard."""
        self.page.fill("#query", query)
        self.page.press("#query", "Control+Enter")

    def hear(self, said: ConsoleMessage) -> None:
        """Record the errors that the browser reports."""
        if said.type == "error":
            self.complaints.append(said.text)
