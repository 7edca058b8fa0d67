"""One visit to one page: what was requested, what the console said, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

SETTLE_MS = 20_000
LOCAL = {"127.0.0.1", "localhost"}


@dataclass
class Visit:
    """A page that has come to rest, with everything that happened on the way."""

    page: Any
    outside: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


def visit(browser: Any, url: str, *, theme: str = "light", height: int = 1400) -> Visit:
    """Open a page and wait until Streamlit has drawn all of it."""
    page = browser.new_page(
        color_scheme=theme, viewport={"width": 1380, "height": height}, reduced_motion="reduce"
    )
    seen = Visit(page)

    def on_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            seen.outside.append(request.url)

    def on_console(message: Any) -> None:
        if message.type == "error":
            seen.console.append(message.text)

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.goto(url)
    settle(page)
    return seen


def settle(page: Any) -> None:
    """Wait until the script has run to its end and every chart is drawn."""
    page.wait_for_selector("h1", timeout=SETTLE_MS)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            const running = app && app.getAttribute('data-test-script-state') !== 'notRunning';
            const charts = document.querySelectorAll('[data-testid="stVegaLiteChart"]');
            const drawn = [...charts].every((c) => c.querySelector('svg, canvas'));
            const stale = document.querySelector('[data-stale="true"]');
            return !running && drawn && !stale;
        }""",
        timeout=SETTLE_MS,
    )
