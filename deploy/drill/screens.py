"""Pictures of the console's loop page while an alert fires, by Debian's Chromium."""

import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

#: No sandbox as root, and nothing that asks its maker for anything.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WIDTH, HEIGHT = 1440, 1100
PATIENCE_MS = 20_000.0


class Screens:
    """A context manager; without Chromium it takes no pictures."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def __enter__(self) -> Self:
        program = shutil.which("chromium")
        if program is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=program, args=list(OPTIONS)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()

    def take(self, fault: str, alert: str) -> Path | None:
        """The loop page with that alert on it; None if it could not be taken."""
        if self._browser is None:
            return None
        path = self._folder / f"{re.sub(r'[^a-z0-9]+', '-', fault.lower())}.png"
        page = self._browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        try:
            page.goto(self._url, timeout=PATIENCE_MS)
            page.get_by_text(alert).first.wait_for(timeout=PATIENCE_MS)
            page.screenshot(path=path, full_page=True)
        except Error:
            return None
        finally:
            page.close()
        return path
