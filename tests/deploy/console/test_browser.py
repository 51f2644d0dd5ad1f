"""Each page in a real browser: opened in both themes, by keyboard, narrow; each action done."""

import time
import uuid

import pytest
from playwright.sync_api import expect

from deploy.console.app import PAGES
from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS
from tests.deploy.console.conftest import Visit, current, labels, send_labels
from tests.deploy.console.running_console import RunningConsole
from tests.streaming.dead_letter_box import Box

#: What a page shows first: its sections, or what is missing.
SHOWN = "main .card:visible, main .banner:visible"
#: Text and the ground that it is on, of everything that is seen: by the formula of WCAG 2.
CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      if (at.tagName === "g" && at.querySelector(":scope > rect.frame"))
        return numbers(getComputedStyle(at.querySelector("rect.frame")).fill);
      const found = numbers(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE);
    const text = own.map((child) => child.data.trim()).join("");
    if (!text || !node.checkVisibility() || node.matches(".sign")) continue;
    if (node.closest(".skip, .stale, :disabled, .uplot")) continue;
    const style = getComputedStyle(node);
    const fore = numbers(node instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(fore), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_page_opens_and_can_be_read(
    visit: Visit, console: RunningConsole, kafka_bootstrap: str, theme: str
) -> None:
    send_labels(kafka_bootstrap, labels(f"arm-{theme}", "v3", 0.2, clicks=21, rows=100))
    visit.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    visit.log_in(console)
    for path, title, _ in PAGES:
        visit.page.goto(console.url + path)
        expect(visit.page.get_by_role("heading", level=1)).to_have_text(title)
        expect(visit.page.locator("#live")).to_have_text("live")
        expect(visit.page.locator(SHOWN).first).to_be_visible()
        assert visit.page.evaluate(CONTRAST) == [], path
        width = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{path} scrolls sideways"


def test_each_page_fits_a_telephone(visit: Visit, console: RunningConsole) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 800})
    for path, _, _ in PAGES:
        visit.page.goto(console.url + path)
        expect(visit.page.locator(SHOWN).first).to_be_visible()
        assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


@pytest.mark.parametrize("path", [path for path, _, _ in PAGES if path != "/explain"])
def test_what_is_missing_is_said(visit: Visit, lonely: RunningConsole, path: str) -> None:
    missing = {
        "/": ["no Kafka broker answers", "Redis at redis://", "no Flink answers", "no metrics at"],
        "/models": ["Redis at redis://"],
        "/dead-letters": ["no Kafka broker answers"],
        "/savepoints": ["no Flink answers"],
        "/calibration": ["labels"],
        "/experiments": ["labels"],
        "/drift": ["the monitor of drift: no metrics at"],
    }
    visit.page.goto(lonely.url + path)
    for words in missing[path]:
        expect(visit.page.locator("main")).to_contain_text(words)
    assert lonely.lives


def test_the_loop_tells_health_by_words_and_takes_the_keyboard(
    visit: Visit, console: RunningConsole
) -> None:
    visit.page.goto(console.url)
    events = visit.page.get_by_role("button", name="Events job: bad")
    expect(events).to_be_visible()
    expect(visit.page.locator("#health")).to_contain_text("Events job")
    events.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name="Chosen part")).to_be_visible()
    expect(visit.page.locator("dl")).to_contain_text("to join")
    told = visit.page.evaluate("document.activeElement.dataset.box")
    assert told == "events", "the focus stays while the picture is drawn anew"
    expect(visit.page.get_by_role("button", name="Scorer: good")).to_be_visible()


def test_the_theme_is_kept(visit: Visit, console: RunningConsole) -> None:
    visit.page.emulate_media(color_scheme="light")
    visit.page.goto(console.url)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visit.page.evaluate(ground)
    visit.page.get_by_role("button", name="Switch between dark and light").click()
    dark = visit.page.evaluate(ground)
    visit.page.goto(f"{console.url}/models")
    assert visit.page.evaluate(ground) == dark != light


def test_without_the_credential_nothing_can_be_done(visit: Visit, console: RunningConsole) -> None:
    visit.page.goto(f"{console.url}/models")
    expect(visit.page.get_by_role("button", name="Roll back")).to_be_disabled()
    visit.page.goto(f"{console.url}/login")
    visit.page.get_by_label("Credential").fill("wrong")
    visit.page.get_by_role("button", name="Log in").click()
    expect(visit.page.get_by_role("alert")).to_have_text("this is not the operator's credential")
    # The browser tells of the refusal by its status.
    assert [fault for fault in visit.faults if "403" not in fault] == []
    visit.faults.clear()


def test_roll_back_and_promote(visit: Visit, console: RunningConsole) -> None:
    page, redis_url = visit.page, console.environment["CTR_REDIS_URL"]
    visit.log_in(console)
    page.goto(f"{console.url}/models")
    expect(page.locator("main")).to_contain_text("current, on 1 scorer")
    page.get_by_role("button", name="Roll back").click()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert current(redis_url) == "v3", "Escape does nothing"

    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("heading", name="Roll back to v2?")).to_be_visible()
    page.get_by_label("Reason").fill("miscalibrated <b>today</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_have_text("v2 is served now")
    assert current(redis_url) == "v2"
    expect(page.locator("main")).to_contain_text("withdrawn: miscalibrated <b>today</b>")
    expect(page.locator("main .big")).to_have_text("v2")

    page.get_by_role("row", name="v3").get_by_role("button", name="Promote").click()
    page.get_by_label("Reason").fill("it was the market")
    page.locator("dialog").get_by_role("button", name="Promote").click()
    expect(page.locator("main .big")).to_have_text("v3")
    assert current(redis_url) == "v3"
    expect(page.locator("main")).to_contain_text("withdrawn: it was the market")


def test_dead_letters_are_shown_and_sent_back(
    visit: Visit, console: RunningConsole, kafka_bootstrap: str
) -> None:
    box = Box(kafka_bootstrap, DEAD_LETTERS.name)
    box.watch()
    reason = f"test-{uuid.uuid4().hex[:8]}"
    refused = DeadLetter("clicks", 1, 5, f"{reason}: <img src=x onerror=alert(1)>", b"\x00\xffraw")
    box.put(refused.encode(), key=b"<script>alert(1)</script>")
    page = visit.page
    visit.log_in(console)
    page.goto(f"{console.url}/dead-letters")
    page.get_by_role("button", name=reason).click()
    newest = page.get_by_role("region", name="The newest 50")
    expect(newest.locator("tbody tr")).to_have_count(1)
    expect(newest).to_contain_text("<script>alert(1)</script>")
    expect(newest).to_contain_text("00 ff 72 61 77")
    page.get_by_role("row", name=reason).first.get_by_role("button", name="Send back").click()
    page.locator("dialog").get_by_role("button", name="Send back").click()
    expect(page.locator(".toast")).to_have_text("1 sent back to clicks")
    assert [(m.topic(), m.partition(), m.value()) for m in box.arrived()] == [
        ("clicks", 1, b"\x00\xffraw")
    ]
    expect(newest).to_contain_text("sent back")


def test_live_labels_become_calibration_and_arms(
    visit: Visit, console: RunningConsole, kafka_bootstrap: str
) -> None:
    arm = f"arm-{uuid.uuid4().hex[:6]}"
    send_labels(kafka_bootstrap, labels(arm, "v2", 0.1, 11, 100) + labels(arm, "v3", 0.4, 38, 100))
    console.until("/api/calibration", lambda values: arm in values["arms"])
    page = visit.page
    page.goto(f"{console.url}/calibration")
    page.get_by_label("Arm", exact=True).select_option(arm)
    deciles = page.get_by_role("region", name="Ten groups")
    expect(deciles.locator("tbody tr")).to_have_count(2)
    expect(deciles.locator("tbody tr").first).to_contain_text("10 %")
    expect(page.locator(".tiles")).to_contain_text("49 clicks")
    expect(page.locator(".chart canvas")).to_be_visible()
    page.goto(f"{console.url}/experiments")
    row = page.get_by_role("row", name=arm)
    expect(row).to_contain_text("24.5 %")
    expect(page.locator("svg.bars")).to_contain_text(arm)


def test_explain(visit: Visit, console: RunningConsole) -> None:
    page = visit.page
    page.goto(f"{console.url}/explain")
    page.get_by_label("User").fill("u-1")
    page.get_by_label("Ads").fill("ad-1, ad-2")
    page.get_by_role("button", name="Explain").click()
    explained = page.locator("details.card")
    expect(explained).to_have_count(2)
    first, second = explained.first, explained.last
    expect(first).to_contain_text("What each field adds to the logit")
    expect(first.locator("summary")).to_contain_text("ad-1: ")
    second.locator("summary").press("Enter")
    expect(second.get_by_role("cell", name="ad", exact=True)).to_be_visible()
    expect(page.locator("main")).to_contain_text("version v")
    page.get_by_label("Context").fill("nonsense")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("alert")).to_contain_text("nonsense is no key=value")
    assert all("422" in fault for fault in visit.faults)
    visit.faults.clear()


def test_log_out(visit: Visit, console: RunningConsole) -> None:
    visit.log_in(console)
    visit.page.get_by_role("button", name="Log out").click()
    expect(visit.page.get_by_role("link", name="Log in")).to_be_visible()


def test_the_picture_goes_on_by_itself(visit: Visit, console: RunningConsole) -> None:
    visit.page.goto(console.url)
    expect(visit.page.locator("#live")).to_have_text("live")
    first = console.request("/api/loop").json()["at"]
    deadline = time.monotonic() + 20
    while console.request("/api/loop").json()["at"] == first:
        assert time.monotonic() < deadline
        time.sleep(0.1)
