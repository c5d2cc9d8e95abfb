"""Debian's Firefox, driven by the protocol that it speaks itself: WebDriver BiDi."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tornado.websocket import websocket_connect

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
SECONDS = 120  # that anything may take on a machine that is busy with other things
SETTINGS = """
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("ui.systemUsesDarkTheme", 0);
"""
SPOKEN = b"WebDriver BiDi listening on "


class Firefox:
    """A headless one with one page, which is closed with the block."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        profile = Path(self._folder.name)
        (profile / "user.js").write_text(SETTINGS, encoding="utf-8")
        command = [PROGRAM, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        environment = {**os.environ, "HOME": self._folder.name}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._loop = asyncio.new_event_loop()  # in a thread: that of the tests may have one that runs
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._numbers = itertools.count(1)
        self.faults = []  # what its console says of errors

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self._process.kill()
            raise
        return self

    def _begin(self):
        watchdog = threading.Timer(SECONDS, self._process.kill)
        watchdog.start()
        said = next((line for line in self._process.stderr if line.startswith(SPOKEN)), b"")
        watchdog.cancel()
        assert said, "Firefox did not start"
        self._listener = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._listener.start()
        address = said.removeprefix(SPOKEN).decode().strip()
        self._link = self._wait(self._connect(f"{address}/session"))
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._page = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def __exit__(self, *_):
        self._wait(self._leave())
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._process.stderr.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    def _wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    async def _connect(self, address):
        return await websocket_connect(address)

    async def _leave(self):
        self._link.close()
        while await self._link.read_message() is not None:
            pass

    def ask(self, method, **parameters):
        """What it answers to a command."""
        number = next(self._numbers)
        self._wait(self._send({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._wait(self._receive()))
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.faults.append(message["params"]["text"])
            if message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]

    async def _send(self, message):
        await self._link.write_message(json.dumps(message))

    async def _receive(self):
        return await self._link.read_message()

    def open(self, address, width=1280, height=800):
        self.ask("browsingContext.setViewport", context=self._page, viewport={"width": width, "height": height})
        self.ask("browsingContext.navigate", context=self._page, url=address, wait="complete")

    def evaluate(self, expression):
        """The value of an expression of the page, which is a number, a text, true or false."""
        target = {"context": self._page}
        answer = self.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def act(self, kind, *actions):
        """Carry out actions of one device: "key", "pointer" or "wheel"."""
        source = {"type": kind, "id": kind, "actions": [*actions]}
        self.ask("input.performActions", context=self._page, actions=[source])

    def press(self, key):
        self.act("key", {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key})

    def move(self, x, y):
        self.act("pointer", {"type": "pointerMove", "x": int(x), "y": int(y)})
