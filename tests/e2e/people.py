"""The demo's people, each with a browser of their own: they sign in, read and press as anybody would."""

import re
from collections.abc import Callable
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, Request, Response, StorageState, ViewportSize, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from liyu.core.settings import LOCALES
from liyu.demo.logins import STAFF_PASSWORD
from liyu.web.i18n import LANGUAGE_TAGS, read_catalog
from tests.e2e.installation import Installation
from tests.web.test_i18n import FOLDER

MEMBER = "13800001001"
OTHER_MEMBER = "13800001002"
CASHIER = "luckin.cashier@example.com"
OTHER_CASHIER = "haidilao.cashier@example.com"
PARTNER_FINANCE = "luckin.finance@example.com"
PARTNER_OWNER = "luckin.owner@example.com"
OPERATOR = "admin@example.com"
FINANCE = "finance@example.com"
SECOND_FINANCE = "finance2@example.com"

PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1440, height=900)
PATIENCE_MILLISECONDS = 30_000

Theme = Literal["light", "dark"]


class Visitor:
    """One browser context with one page, which speaks one language."""

    def __init__(self, page: Page, address: str, locale: str) -> None:
        self.page = page
        self.address = address
        self.locale = locale
        self.trouble: list[str] = []
        page.on("console", lambda message: self._note_message(message.type, message.text))
        page.on("pageerror", lambda error: self.trouble.append(f"{self.page.url}: {error}"))
        page.on("response", self._note_response)
        self._waiting: list[str] = []
        page.on("request", lambda request: self._waiting.append(request.url))
        page.on("requestfinished", self._forget)
        page.on("requestfailed", self._forget)

    def say(self, text: str, **values: Any) -> str:
        """A text of the pages in the visitor's language."""
        words = text if self.locale == "en" else read_catalog(FOLDER)[text]
        return (words if isinstance(words, str) else words[0]) % values if values else str(words)

    def open(self, path: str) -> Response:
        """Go to an address of the site; when it never loads, the error says what was waited for."""
        self._waiting.clear()
        try:
            answer = self.page.goto(self.address + path)
        except PlaywrightTimeoutError as error:
            raise AssertionError(f"{path} did not load; unanswered: {self._waiting}") from error
        assert answer is not None
        return answer

    def press(self, label: str, within: Locator | None = None) -> None:
        """Press the button with this label."""
        (within or self.page).get_by_role("button", name=self.say(label), exact=True).click()

    def follow(self, label: str, within: Locator | None = None) -> None:
        """Follow the link with this label."""
        (within or self.page).get_by_role("link", name=self.say(label), exact=True).click()

    def fill(self, label: str, value: str) -> None:
        """Fill the field with this label."""
        self.page.get_by_label(self.say(label), exact=True).fill(value)

    def sees(self, text: str, **values: Any) -> None:
        """Wait until the text can be read on the page, in the visitor's language."""
        expect(self.page.get_by_text(self.say(text, **values)).locator("visible=true").first).to_be_visible()

    def reads(self, text: str | re.Pattern[str]) -> None:
        """Wait until the text, which is not ours to translate, can be read on the page."""
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    def stands(self, state: str) -> None:
        """Wait until the page says what state the thing that it shows is in."""
        expect(self.page.locator(".titlebar .pill")).to_have_text(self.say(state))

    def sign_in_by_phone(self, phone: str) -> None:
        """Ask for a code, look it up on the development page, and enter it."""
        self.open("/login")
        self.fill("Mobile number", phone)
        self.press("Send me a code")
        expect(self.page.locator("[name=code]")).to_be_visible()
        outbox = self.page.context.new_page()
        outbox.goto(f"{self.address}/dev/outbox")
        message = outbox.get_by_role("listitem").filter(has_text=f"+86{phone}").first.inner_text()
        outbox.close()
        code = re.search(r"\b\d{6}\b", message.replace(phone, ""))
        assert code is not None, message
        self.fill("Code", code.group())
        self.press("Sign in")
        self.page.wait_for_url(f"{self.address}/")

    def sign_in_by_password(self, area: str, email: str) -> None:
        """Sign in to the portal (`partner`) or the console (`console`)."""
        self.open(f"/{area}/login")
        self.fill("E-mail", email)
        self.fill("Password", STAFF_PASSWORD)
        self.press("Sign in")
        self.page.wait_for_url(lambda url: "/login" not in url)

    def _note_message(self, kind: str, text: str) -> None:
        # What a document or a resource answered is judged by its response.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.trouble.append(f"{self.page.url}: {text}")

    def _forget(self, request: Request) -> None:
        if request.url in self._waiting:
            self._waiting.remove(request.url)

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.trouble.append(f"{self.page.url}: {response.url} answered {response.status}")


OpenVisitor = Callable[..., Visitor]
"""Opens a browser for somebody; takes what `People.open` takes."""


class People:
    """Opens browsers for the people of one installation. Who has signed in once is signed in again without the form."""

    def __init__(self, browser: Browser, installation: Installation) -> None:
        self.browser = browser
        self.installation = installation
        self._visits: dict[str, StorageState] = {}

    def open(
        self,
        *,
        locale: str = "zh_CN",
        size: ViewportSize = PHONE,
        theme: Theme = "light",
        javascript: bool = True,
        state: StorageState | None = None,
    ) -> Visitor:
        """A browser; its context is closed by whoever opened it."""
        assert locale in LOCALES
        context = self.browser.new_context(
            viewport=size,
            locale=LANGUAGE_TAGS[locale],
            java_script_enabled=javascript,
            accept_downloads=True,
            is_mobile=size["width"] < 600,
            has_touch=size["width"] < 600,
            color_scheme=theme,
            reduced_motion="reduce",
            storage_state=state,
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        return Visitor(context.new_page(), self.installation.address, locale)

    def state_of(self, area: str, login: str) -> StorageState:
        """The cookies of somebody who is signed in."""
        if login not in self._visits:
            visitor = self.open()
            if area == "member":
                visitor.sign_in_by_phone(login)
            else:
                visitor.sign_in_by_password(area, login)
            self._visits[login] = visitor.page.context.storage_state()
            visitor.page.context.close()
        return self._visits[login]
