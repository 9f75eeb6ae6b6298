"""A browser for the journeys: it keeps what the console says, and knows what a sound page is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_SERIOUS = ("serious", "critical")
PASSWORD = "a long password for a test"


def password_hash() -> str:
    """PASSWORD as the web process reads it: the tests' own quick hash is unknown there."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    return PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)


@dataclass
class Visit:
    """One browser context, with everything that went wrong in its pages."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    def page(self) -> Page:
        """A new page that is listened to."""
        page = self.context.new_page()
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        return page

    def _hear(self, kind: str, text: str) -> None:
        # An answer of 4xx is an answer: the page shows it. What breaks the content security policy says so itself.
        if kind == "error" and "the server responded with a status of 4" not in text:
            self.complaints.append(f"console: {text}")

    def log_in(self, name: str, password: str = PASSWORD) -> Page:
        """A page in which the user is logged in."""
        page = self.page()
        page.goto(f"{self.url}/admin/login/")
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.press("#id_password", "Enter")
        page.wait_for_url(f"{self.url}/admin/")
        return page

    def barriers(self, page: Page) -> list[str]:
        """What axe finds in the page that is serious or worse, in one line each."""
        from axe_playwright_python.sync_playwright import Axe

        heard = len(self.complaints)
        found: list[dict[str, Any]] = Axe().run(page).response["violations"]
        # axe tries inline styles, which the page's policy refuses; what else was said meanwhile is the page's own
        self.complaints[heard:] = [said for said in self.complaints[heard:] if "style-src" not in said]
        return [
            f"{each['id']}: {each['help']} at {[node['target'] for node in each['nodes'][:3]]}"
            for each in found
            if each["impact"] in _SERIOUS
        ]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()
