"""Drives headless Chromium over its DevTools protocol: opens pages, runs scripts, presses keys, takes
pictures.

Small on purpose: a page that loads no framework needs no framework to be looked at. The browser is whatever
Chromium the machine has; ``find_browser`` says where, and nothing is downloaded.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import msgspec

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""What the browser may be called."""

START_TIMEOUT_S: Final = 30.0
"""For the browser to open its port."""

WAIT_TIMEOUT_S: Final = 30.0
"""For something on a page to become so."""

POLL_S: Final = 0.05
"""Between two looks."""

OPTIONS: Final = (
    "--headless",
    "--no-sandbox",  # Chromium refuses its own sandbox to root, which containers run as
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
"""How it is started: alone, and asking nobody outside."""

MIDDLE: Final = """(() => {
  const one = document.querySelector(%(selector)s);
  one.scrollIntoView({block: "center"});
  const box = one.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""
"""Where to press."""

FAULTS: Final = {"Runtime.exceptionThrown", "Log.entryAdded"}
"""Events that tell of something wrong on the page."""


class BrowserFault(Exception):
    """The browser did not start, a script failed, or something did not happen in time."""


def find_browser() -> str | None:
    """Path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self._loads = 0
        self.faults: list[str] = []
        """What the page complained of, exceptions and refused loads, since the last ``open``."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """One DevTools command.

        :raises BrowserFault: it was refused, or the browser is gone.
        """
        self._last += 1
        number = self._last
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        with anyio.fail_after(WAIT_TIMEOUT_S):
            while True:
                answer = msgspec.json.decode((await self._socket.receive()).data)
                if answer.get("id") == number:
                    if "error" in answer:
                        raise BrowserFault(f"{method}: {answer['error']}")
                    return answer["result"]
                self._notice(answer)

    async def set_size(self, width: int, height: int) -> None:
        """Size of the window in CSS pixels; narrow ones count as a phone."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def set_theme(self, theme: str) -> None:
        """``dark`` or ``light``, as the system's choice."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def open(self, url: str) -> None:
        """Load ``url`` anew."""
        await self._go("about:blank")
        self.faults.clear()
        await self._go(url)

    async def _go(self, url: str) -> None:
        # A script that runs while one document gives way to another is never answered, so wait for the load.
        before = self._loads
        await self.call("Page.navigate", url=url)
        with anyio.fail_after(WAIT_TIMEOUT_S):
            while self._loads == before:
                self._notice(msgspec.json.decode((await self._socket.receive()).data))

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited.

        :raises BrowserFault: it threw.
        """
        result = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise BrowserFault(
                f"{script}: {result['exceptionDetails'].get('exception', {}).get('description')}"
            )
        return result["result"].get("value")

    async def wait(self, script: str) -> None:
        """Wait until the expression is truthy, an element for example.

        :raises BrowserFault: it stays otherwise.
        """
        with anyio.move_on_after(WAIT_TIMEOUT_S):
            while True:
                with suppress(BrowserFault):  # while a page loads, what the script looks at is not there
                    if await self.run(f"Boolean({script})"):
                        return
                await anyio.sleep(POLL_S)
        text = await self.run("document.body.innerText.slice(0, 600)")
        raise BrowserFault(f"{script} did not become true; the page says: {text}; faults: {self.faults}")

    async def click(self, selector: str) -> None:
        """Press the pointer on the middle of the first element that matches."""
        await self.wait(f"document.querySelector({selector!r})")
        place, before = await self.run(MIDDLE % {"selector": repr(selector)}), None
        while place != before:  # what moves cannot be hit
            await anyio.sleep(POLL_S)
            place, before = await self.run(MIDDLE % {"selector": repr(selector)}), place
        x, y = place
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1, buttons=1
            )

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int = 0) -> None:
        """Press a key by its name, such as ``Enter`` or ``a``."""
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)
            text = {}

    async def take_picture(self) -> bytes:
        """PNG of what the window shows."""
        return b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    def _notice(self, event: dict[str, Any]) -> None:
        self._loads += event.get("method") == "Page.loadEventFired"
        if event.get("method") in FAULTS:
            self.faults.append(msgspec.json.encode(event["params"])[:500].decode("utf-8", "replace"))


@asynccontextmanager
async def browse(path: str) -> AsyncIterator[Page]:
    """A tab of a browser of its own, which ends with the block.

    :param path: of ``find_browser``.
    :raises BrowserFault: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(  # noqa: ASYNC220 -- it only starts; nothing waits for its output
            [path, *OPTIONS, f"--user-data-dir={home}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await _wait_port(Path(home) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as response:
                    tabs = await response.json(content_type=None)
                url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    yield page
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def _wait_port(path: Path) -> int:
    with anyio.move_on_after(START_TIMEOUT_S):
        while True:
            with suppress(FileNotFoundError, IndexError):
                return int(path.read_text().split()[0])  # noqa: ASYNC240 -- a line that is there or not
            await anyio.sleep(POLL_S)
    raise BrowserFault("the browser did not open its port in time")
