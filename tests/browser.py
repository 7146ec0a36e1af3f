"""A real Chromium without a window, spoken to in the DevTools protocol over a pipe, and cut off from the network."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import require

_SECONDS_TO_WAIT = 60.0
# Descriptors 3 and 4 are where Chromium reads and writes; bash puts them there.
_START = 'exec "$0" "$@" 3<&"$READ" 4>&"$WRITE"'
_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)


class Size(NamedTuple):
    """A window, in CSS pixels."""

    width: int
    height: int


PHONE, DESKTOP = Size(360, 800), Size(1280, 800)


class Event(NamedTuple):
    """What the browser told by itself."""

    method: str
    params: dict[str, Any]


class Browser:
    """One browser; each page has a tab of its own, and what is told of it is kept."""

    def __init__(self, process: "subprocess.Popen[bytes]", reading: int, writing: int) -> None:
        self._process = process
        self._reading = reading
        self._writing = writing
        self._received = b""
        self._last = 0
        self.events: list[tuple[str | None, Event]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The answer to a command. A refusal fails the test."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        content = json.dumps(message).encode("ascii") + b"\0"
        while content:
            content = content[os.write(self._writing, content) :]
        while True:
            told = self._message()
            if told.get("id") == self._last:
                assert "error" not in told, f"{method}: {told['error']}"
                answer: dict[str, Any] = told["result"]
                return answer

    def wait_for(self, session: str, method: str) -> None:
        """Return once the event was told of the tab."""
        while not any(told == session and event.method == method for told, event in self.events):
            self._message()

    def _message(self) -> dict[str, Any]:
        """The next message; an event is kept as well."""
        deadline = time.monotonic() + _SECONDS_TO_WAIT
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._reading], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._reading, 1024 * 1024)
            assert more, f"the browser has ended: {self._process.poll()}"
            self._received += more
        content, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(content)
        if "method" in message:
            self.events.append((message.get("sessionId"), Event(message["method"], message["params"])))
        return message

    @contextmanager
    def page(self, path: Path, size: Size = DESKTOP, *, scheme: str = "light") -> Iterator["Tab"]:
        """A page that is loaded, in a window of that size, where people want it light or dark."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            tab = Tab(self, session)
            tab.open(path, size, scheme)
            yield tab
        finally:
            self.call("Target.closeTarget", targetId=target)


class Tab:
    """One page, and what became of loading it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command about this page."""
        return self._browser.call(method, self._session, **params)

    def open(self, path: Path, size: Size, scheme: str) -> None:
        """Load a file, with all that is told of it turned on before."""
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        self.resize(size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path.as_uri())
        self._browser.wait_for(self._session, "Page.loadEventFired")

    def resize(self, size: Size) -> None:
        """Have the window of that size; a narrow one is a phone's."""
        is_phone = size.width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=size.width,
            height=size.height,
            deviceScaleFactor=2 if is_phone else 1,
            mobile=is_phone,
        )

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; a promise's once it is kept."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """The parameters of the events of these kinds."""
        events = self._browser.events
        return [event.params for session, event in events if session == self._session and event.method in methods]

    def complaints(self) -> list[dict[str, Any]]:
        """Whatever the browser has to say against the page: console, exceptions, blocked content, issues."""
        return self.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Audits.issueAdded")

    def requested(self) -> list[str]:
        """The URL of everything that was asked for."""
        return [params["request"]["url"] for params in self.told("Network.requestWillBeSent")]

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as it is printed, on A4."""
        printed = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        return base64.b64decode(printed["data"])


@contextmanager
def started(directory: Path) -> Iterator[Browser]:
    """A browser for the block, with a profile of its own; it has no network at all, not even this machine's."""
    program = shutil.which("chromium")
    require(program is not None, "no chromium in PATH")
    apart = ["unshare", "--user", "--map-root-user", "--net"]
    is_apart = subprocess.run([*apart, "true"], check=False, capture_output=True).returncode == 0
    require(is_apart, "no namespace can be made in which a browser has no network")
    reading, browser_writes = os.pipe()
    browser_reads, writing = os.pipe()
    options = [*_OPTIONS, "--no-sandbox", f"--user-data-dir={directory / 'profile'}"]
    with (directory / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [*apart, "bash", "-c", _START, str(program), *options],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "READ": str(browser_reads),
                "WRITE": str(browser_writes),
            },
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    os.close(browser_reads)
    os.close(browser_writes)
    with process:
        try:
            yield Browser(process, reading, writing)
        finally:
            os.close(writing)
            os.close(reading)
            try:
                process.wait(_SECONDS_TO_WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
