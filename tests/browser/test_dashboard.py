"""Every page in a real browser, light and dark: readable by all, silent, and always the same."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.visiting import Visit, settle, visit

PAGES = (
    *("", "recommendations", "what_if", "frontier"),
    *("ab_test", "regions", "service", "quality"),
)
NARROW = 690
"""Width of a 1380-pixel window at 200 % zoom, in CSS pixels."""

pytestmark = pytest.mark.e2e


def assert_quiet(seen: Visit) -> None:
    assert not seen.outside, f"requests left the machine: {seen.outside}"
    assert not seen.console, f"the console complains: {seen.console}"


def picture(page: Any, name: str) -> None:
    """Keep a picture of the whole page where the environment asks for it."""
    folder = os.environ.get("REGIONWISE_SCREENSHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    height = page.evaluate(
        """() => document.querySelector('[data-testid="stMainBlockContainer"]').scrollHeight"""
    )
    page.set_viewport_size({"width": 1380, "height": min(int(height) + 60, 8000)})
    settle(page)
    page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_silent(
    name: str, theme: str, dashboard: str, chromium: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    seen = visit(chromium, f"{dashboard}/{name}", theme=theme)
    try:
        assert seen.page.locator("h1").count() == 1
        assert seen.page.locator('[data-testid="stException"]').count() == 0
        assert seen.page.locator('[data-testid="stAlertContentError"]').count() == 0
        found = axe.run(seen.page).response["violations"]
        assert not found, [
            (rule["id"], rule["nodes"][0]["html"][:200], rule["nodes"][0]["failureSummary"])
            for rule in found
        ]
        assert_quiet(seen)
        picture(seen.page, f"{name or 'overview'}_{theme}")
        if theme == "light":
            assert_fits_at_double_zoom(seen.page)
    finally:
        seen.page.close()


def assert_fits_at_double_zoom(page: Any) -> None:
    page.set_viewport_size({"width": NARROW, "height": 1400})
    settle(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= NARROW, f"{wide} pixels wide: text would have to be read by scrolling"


def numbers(page: Any) -> str:
    """Return all that the page says, apart from navigation."""
    return str(page.locator('[data-testid="stMainBlockContainer"]').inner_text())


def test_a_link_reopens_with_the_same_numbers(dashboard: str, chromium: Any) -> None:
    seen = visit(chromium, f"{dashboard}/regions")
    page = seen.page
    page.get_by_role("radio", name="max").or_(page.get_by_role("button", name="max")).first.click()
    page.wait_for_url(re.compile("statistic=max"))
    # The address changes before the page does: wait for the finding that names the statistic.
    page.get_by_text("(max)").first.wait_for()
    settle(page)
    link, said = page.url, numbers(page)
    page.close()
    again = visit(chromium, link)
    assert numbers(again.page) == said
    again.page.close()


def test_a_service_can_be_linked_by_id(dashboard: str, chromium: Any) -> None:
    first = visit(chromium, f"{dashboard}/service")
    ids = first.page.locator("td", has_text=re.compile(r"^svc-")).all_inner_texts()
    name = first.page.locator("h2").first.inner_text()
    assert ids
    again = visit(chromium, f"{dashboard}/service?service={ids[0]}")
    assert again.page.locator("h2").first.inner_text() == name
    first.page.close()
    again.page.close()


def test_pages_agree_on_the_headline(dashboard: str, chromium: Any) -> None:
    said = []
    for name in ("", "recommendations"):
        seen = visit(chromium, f"{dashboard}/{name}")
        said.append(
            re.search(r"(\d+ services? to change: .*|Keep everything .*)", numbers(seen.page))
        )
        seen.page.close()
    assert said[0] is not None
    assert said[1] is not None
    assert said[0].group(1) == said[1].group(1)


def test_keyboard_reaches_the_pages(dashboard: str, chromium: Any) -> None:
    seen = visit(chromium, dashboard)
    reached = []
    for _ in range(12):
        seen.page.keyboard.press("Tab")
        reached.append(seen.page.evaluate("document.activeElement.innerText || ''").strip())
    seen.page.close()
    assert any("Recommendations" in text for text in reached), reached
    assert any("Data quality" in text for text in reached), reached
