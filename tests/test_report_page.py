"""The page of a report in a real browser: it loads nothing, complains of nothing, and is fit to be read everywhere."""

import json
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import browser as browsers
from tests.browser import DESKTOP, PHONE, Browser, Size
from tests.conftest import openssl, require, run
from tests.faults import Device
from tests.report_cases import IMAGE, SCRIPT, STYLE, at, hostile_project

# One browser and one project are enough for all of them.
pytestmark = pytest.mark.xdist_group("report page")

VIEWS = [(size, scheme) for size in (PHONE, DESKTOP) for scheme in ("light", "dark")]
WIDTHS = [Size(320, 640), PHONE, Size(768, 1024), DESKTOP]
# Where long lines and wide tables may be scrolled sideways.
_SCROLLED = ".table, pre"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]

# WCAG 2.1, 1.4.3: each text against what is behind it. Answers what is below the ratio, and how many texts there were.
_CONTRAST = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length === 3) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let count = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [light, dark] = [luminance(channels(colour)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    count += 1;
    if (!(ratio >= 4.5)) faint.push([walker.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return [faint, count];
})()"""

# What reaches out of the window, unless it is within something that is scrolled for itself and does not.
_OUTSIDE = f"""[...document.body.querySelectorAll("*")]
  .filter((one) => one.getClientRects().length && !one.parentElement.closest("{_SCROLLED}"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 || one.getBoundingClientRect().left < -0.5)
  .filter((one) => !one.matches(".skip"))
  .map((one) => one.outerHTML.slice(0, 120))"""

_BARS = """(() => {
  const svg = document.querySelector(".plot svg");
  const around = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("rect.left, rect.expired")].map((bar) => {
    const box = bar.getBoundingClientRect();
    return {
      kind: bar.getAttribute("class"),
      title: bar.querySelector("title").textContent,
      width: box.width,
      height: box.height,
      fill: getComputedStyle(bar).fill,
      is_inside: box.left >= around.left - 1 && box.right <= around.right + 1
        && box.top >= around.top - 1 && box.bottom <= around.bottom + 1,
    };
  });
})()"""

_LABELS = """[...document.querySelectorAll(".plot text")].filter((one) => one.getClientRects().length).map((one) => {
  const { left, right, top, bottom } = one.getBoundingClientRect();
  return [left, right, top, bottom];
})"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all of the tests."""
    with browsers.started(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> Path:
    """A project about which there is all to tell."""
    return hostile_project(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="session")
def page(project: Path) -> Path:
    """Its page."""
    ran = run("report", "--procedure", "texts", "--trust", "../made/sealer.crt", cwd=project)
    assert (ran.status, ran.out) == (0, "./report.html\n"), ran.err
    return project / "report.html"


@pytest.fixture(scope="session")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a server without devices, without a fleet root CA and without records."""
    project = tmp_path_factory.mktemp("empty")
    (project / "myservername" / "devices").mkdir(parents=True)
    assert run("report", cwd=project).status == 0
    return project / "report.html"


def test_what_a_page_does_is_seen(browser: Browser, tmp_path: Path) -> None:
    """A page that asks for a file, runs a script or breaks its own policy is caught by what these tests look at."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<img src="http://127.0.0.1:9/x"><script>console.log("here")</script><p style="color: #999">faint</p>'
    )
    with browser.page(bad) as tab:
        assert "http://127.0.0.1:9/x" in tab.requested()
        assert tab.told("Runtime.consoleAPICalled")
        assert tab.evaluate(_CONTRAST)[0]
    bad.write_text(f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><b>{SCRIPT}</b>')
    with browser.page(bad) as tab:
        assert tab.complaints()
    bad.write_text('<p style="width: 2000px">wide</p><img src="data:,">')
    with browser.page(bad, PHONE) as tab:
        assert tab.evaluate(_OUTSIDE)
        assert violations(tab)


@pytest.mark.parametrize(("size", "scheme"), VIEWS)
def test_it_loads_nothing_and_complains_of_nothing(browser: Browser, page: Path, size: Size, scheme: str) -> None:
    """The page itself is all that is asked for, and the browser has nothing to say against it."""
    with browser.page(page, size, scheme=scheme) as tab:
        assert tab.evaluate("document.readyState") == "complete"
        assert [url for url in tab.requested() if not url.startswith("data:")] == [page.as_uri()]
        assert tab.complaints() == []
        assert tab.evaluate("[document.scripts.length, performance.getEntriesByType('resource').length]") == [0, 0]


def test_names_are_text(browser: Browser, page: Path) -> None:
    """Whatever certificates, directories and texts hold is read as it is, and makes no element of the page."""
    with browser.page(page) as tab:
        assert tab.evaluate("document.querySelectorAll('script, img, #injected, [onerror], [onload]').length") == 0
        seen = tab.evaluate("document.body.innerText")
        found = tab.evaluate("document.getElementById('found').closest('table').innerText")
    # Names stand there with the escapes of RFC 2253.
    named = next(line for line in found.splitlines() if line.startswith("scripted") and "-name" in line)
    assert SCRIPT in named.replace("\\", "")
    assert STYLE in seen
    assert IMAGE in seen
    assert "<b id=injected>CA</b>" in seen
    assert "{{ 7 * 7 }}" in seen
    # It is seen, and turns nothing around.
    assert "\\u202e" in seen
    assert "\u202e" not in seen


def expected_bars(project: Path) -> list[str]:
    """The titles of the bars, by what ``list`` tells: months, and what has expired apart."""
    ran = run("list", "--procedure", "texts", "--json", cwd=project)
    found: dict[tuple[str, bool], int] = {}
    for device in json.loads(ran.out)["devices"]:
        if device["not_after"] is not None:
            key = (device["not_after"][:7], device["state"] != "expired")
            found[key] = found.get(key, 0) + 1
    return [f"{month}: {found[month, left]} {'to expire' if left else 'expired'}" for month, left in sorted(found)]


@pytest.mark.parametrize(("size", "scheme"), VIEWS)
def test_the_plot_is_drawn(browser: Browser, project: Path, page: Path, size: Size, scheme: str) -> None:
    """A bar for each month in which devices expire, what has expired hatched, all of it to be seen within the plot."""
    with browser.page(page, size, scheme=scheme) as tab:
        bars: list[dict[str, Any]] = tab.evaluate(_BARS)
        labels: list[list[float]] = tab.evaluate(_LABELS)
    assert [bar["title"] for bar in bars] == expected_bars(project)
    assert all(bar["is_inside"] and bar["width"] >= 2 and bar["height"] >= 2 for bar in bars)
    kinds = {bar["kind"]: bar["fill"] for bar in bars}
    assert kinds.keys() == {"left", "expired"}
    assert "url(" in kinds["expired"]
    assert len(labels) >= 6
    check_labels(labels, size)


@pytest.mark.parametrize("size", WIDTHS)
def test_it_fits_the_window(browser: Browser, page: Path, size: Size) -> None:
    """Nothing is wider than the window, from the smallest phone on, and the text is large enough to be read."""
    with browser.page(page, size) as tab:
        assert tab.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
        assert tab.evaluate(_OUTSIDE) == []
        assert tab.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 14
        sizes = tab.evaluate("[...document.querySelectorAll('td, dd, pre')].map((o) => getComputedStyle(o).fontSize)")
        assert min(float(one.removesuffix("px")) for one in sizes) >= 13


@pytest.mark.parametrize(("size", "scheme"), VIEWS)
def test_contrast(browser: Browser, page: Path, size: Size, scheme: str) -> None:
    """Every text stands out from what is behind it by 4.5 to 1 at least."""
    with browser.page(page, size, scheme=scheme) as tab:
        faint, count = tab.evaluate(_CONTRAST)
    assert faint == []
    assert count > 300


def violations(tab: browsers.Tab) -> list[str]:
    """What axe-core finds against the rules of WCAG 2.1, A and AA, and against good practice."""
    spec = find_spec("axe_core_python")
    require(spec is not None and spec.origin is not None, "no axe-core-python")
    assert spec is not None
    tab.evaluate((Path(str(spec.origin)).parent / "axe.min.js").read_text() + "; 0")
    options = json.dumps({"runOnly": _RULES, "resultTypes": ["violations"]})
    found = tab.evaluate(f"axe.run(document, {options}).then((result) => result.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize(("size", "scheme"), VIEWS)
def test_accessibility(browser: Browser, page: Path, size: Size, scheme: str) -> None:
    """axe-core finds nothing, also with everything unfolded."""
    with browser.page(page, size, scheme=scheme) as tab:
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert violations(tab) == []


@pytest.fixture(scope="session")
def weeks_page(_pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one device whose certificate ends in 200 days, under a fleet root CA that ends in 15."""
    directory = tmp_path_factory.mktemp("weeks")
    shutil.copytree(_pristine, directory / "project", symlinks=True)
    made = run("device", "--uuid", "one", cwd=directory / "project")
    assert made.status == 0, made.err
    Device(directory / "project" / "myservername" / "devices" / "one", directory).sign(end=at(200))
    devices = directory / "project" / "myservername" / "devices"
    (devices / "ca.crt").write_text(openssl("x509", "-in", "ca.crt", "-signkey", "ca.key", "-days", "15", cwd=devices))
    assert run("report", cwd=directory / "project").status == 0
    return directory / "project" / "report.html"


def test_a_plot_of_weeks(browser: Browser, weeks_page: Path) -> None:
    """Labels as long as days leave each other room on a phone, where every other one is left out."""
    with browser.page(weeks_page, PHONE) as tab:
        assert "Devices by the week" in tab.evaluate("document.querySelector('.plot svg title').textContent")
        assert len(tab.evaluate(_BARS)) == 1
        assert tab.evaluate("document.querySelectorAll('.plot line.ca').length") == 1
        assert "The fleet root CA expires on" in tab.evaluate("document.querySelector('.verdict').innerText")
        on_phone = tab.evaluate(_LABELS)
        tab.resize(DESKTOP)
        on_desktop = tab.evaluate(_LABELS)
    assert len(on_phone) < len(on_desktop)
    check_labels(on_phone, PHONE)
    check_labels(on_desktop, DESKTOP)


def check_labels(labels: list[list[float]], size: Size) -> None:
    """Each is within the window, and none upon another."""
    for number, (left, right, top, bottom) in enumerate(labels):
        assert left >= 0
        assert right <= size.width
        for other in labels[:number]:
            assert right <= other[0] or other[1] <= left or bottom <= other[2] or other[3] <= top, "labels overlap"


def test_the_page_of_nothing(browser: Browser, empty_page: Path) -> None:
    """A server without devices, fleet root CA and records has a page as good."""
    with browser.page(empty_page, PHONE) as tab:
        assert tab.complaints() == []
        assert violations(tab) == []
        assert tab.evaluate(_OUTSIDE) == []
        seen = tab.evaluate("document.body.innerText")
    assert "There are no devices yet." in seen
    assert "There are no records." in seen
    assert "The devices were not verified: './myservername/devices/ca.crt'" in seen


def test_what_is_read_aloud(browser: Browser, page: Path) -> None:
    """The page has a language and a title, one main part, headings in order, a named picture and named tables."""
    with browser.page(page) as tab:
        tab.call("Accessibility.enable")
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        assert tab.evaluate("[document.documentElement.lang, document.title]") == ["en", "Fleet report: myservername"]
        headings = tab.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => one.localName)")
    names: dict[str, list[str]] = {}
    for node in nodes:
        if not node["ignored"]:
            names.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert len(names["main"]) == 1
    assert names["image"] == ["Devices by the month in which their certificates expire"]
    assert len(names["table"]) >= 7
    assert all(names["table"])
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert all(int(one[1]) <= int(before[1]) + 1 for before, one in pairwise(headings))


def test_the_keyboard(browser: Browser, page: Path) -> None:
    """The first stop of the tabulator leads past the head, and is seen; what scrolls can be reached."""
    with browser.page(page, PHONE) as tab:
        for kind in ("rawKeyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        first = "(({ className, hash }, top) => [className, hash, top >= 0])"
        found = tab.evaluate(f"{first}(document.activeElement, document.activeElement.getBoundingClientRect().top)")
        assert found == ["skip", "#content", True]
        script = f"[...document.querySelectorAll('{_SCROLLED}')].every((one) => one.tabIndex === 0)"
        assert tab.evaluate(script)


def test_print(browser: Browser, page: Path, weeks_page: Path) -> None:
    """On paper it is dark on white whatever the screen is, unfolded, nothing cut off, in a few pages."""
    with browser.page(page, scheme="dark") as tab:
        printed = tab.pdf()
        tab.resize(Size(700, 1000))
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        tab.call("Emulation.setEmulatedMedia", media="print", features=features)
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert tab.evaluate(_CONTRAST)[0] == []
        assert not tab.evaluate("document.querySelector('nav').checkVisibility()")
        assert tab.evaluate("document.querySelector('details table').checkVisibility()")
        cut = f"[...document.querySelectorAll('{_SCROLLED}')].filter((one) => one.scrollWidth > one.clientWidth + 1)"
        assert tab.evaluate(f"{cut}.map((one) => one.outerHTML.slice(0, 200))") == []
        assert tab.evaluate("getComputedStyle(document.querySelector('.plot + details')).breakInside") == "auto"
        assert tab.evaluate("getComputedStyle(document.querySelector('pre')).breakInside") == "avoid"
        assert tab.evaluate("getComputedStyle(document.querySelector('h3 + p')).breakAfter") == "avoid"
    paper = Size(700, 1000)
    with browser.page(weeks_page, paper) as tab:
        tab.call("Emulation.setEmulatedMedia", media="print")
        check_labels(tab.evaluate(_LABELS), paper)
    assert printed.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
