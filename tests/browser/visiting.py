"""One visit to one page: what was requested, what the console said, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

SETTLE_MS = 30_000
LOCAL = {"127.0.0.1", "localhost"}


@dataclass
class Visit:
    """A page that has come to rest, with everything that happened on the way."""

    page: Any
    outside: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


def visit(browser: Any, url: str, *, theme: str = "light", width: int = 1380) -> Visit:
    """Open a page and wait until Streamlit has drawn all of it."""
    page = browser.new_page(
        color_scheme=theme, viewport={"width": width, "height": 1400}, reduced_motion="reduce"
    )
    seen = Visit(page)

    def on_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            seen.outside.append(request.url)

    def on_console(message: Any) -> None:
        if message.type == "error" and not _is_probe(message):
            seen.console.append(f"{message.text} {message.location.get('url', '')}")

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.goto(url)
    settle(page)
    return seen


def _is_probe(message: Any) -> bool:
    """Tell Streamlit's own search for its address from an error.

    Opened at ``/regions`` it asks ``/regions/_stcore/…`` first, is told 404, and asks the root.
    """
    path = urlsplit(message.location.get("url", "")).path
    return "404" in message.text and path.count("/") == 3 and "/_stcore/" in path


def settle(page: Any) -> None:
    """Wait until the script has run to its end, all is drawn, and the page stopped growing."""
    page.wait_for_selector("h1", timeout=SETTLE_MS)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            const main = document.querySelector('[data-testid="stMainBlockContainer"]');
            const running = app && app.getAttribute('data-test-script-state') !== 'notRunning';
            const frames = [...document.querySelectorAll('[data-testid="stFullScreenFrame"]')];
            // What lies in a closed box is drawn when the box is opened.
            const open = frames.filter((f) => !f.closest('details:not([open])'));
            const empty = open.some((f) => !f.querySelector('svg.marks, canvas, table'));
            const late = '[data-testid="stSkeleton"], [data-stale="true"]';
            const waiting = document.querySelector(late);
            const height = main ? main.scrollHeight : 0;
            const now = performance.now();
            if (running || empty || waiting || height !== window.__height) {
                window.__height = height;
                window.__since = now;
                return false;
            }
            return now - window.__since > 400;
        }""",
        timeout=SETTLE_MS,
    )
