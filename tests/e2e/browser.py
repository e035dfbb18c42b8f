"""
Debian's chromium, driven by its chromedriver over plain HTTP (W3C WebDriver).

What the page does is noted from before its first script on: each violation of its policy, and each
request that it makes.
"""
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from harness import ENDS_WITH_US, PATIENCE_S, wait_until

# Runs before the page's own script.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
    (event) => violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sample));
"""
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def require(*programs):
    """Skips the tests where one of these is not there; where a change is judged, that is a failure."""
    for name in programs:
        if shutil.which(name) is None:
            if os.environ.get("CI") == "true":
                raise FileNotFoundError(name)
            raise unittest.SkipTest(f"there is no {name}")


class Failed(Exception):
    """What WebDriver says that a command failed for."""


class Browser:
    """One chromium with one tab; `with Browser() as browser` ends it."""

    def __init__(self, width=1440, height=1000):
        self.directory = tempfile.mkdtemp(prefix="allowd-browser-")
        self.log = os.path.join(self.directory, "log")
        self.session = ""
        with open(self.log, "wb") as log:
            self.driver = subprocess.Popen([*ENDS_WITH_US, "chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            port = wait_until(self._port, "chromedriver has a port")
            self.base = f"http://127.0.0.1:{port}"
            self.session = "/session/" + self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": [
                    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1",
                    f"--window-size={width},{height}", f"--user-data-dir={self.directory}/profile"]},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})["sessionId"]
            self.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def _port(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            found = re.search(r"started successfully on port (\d+)", log.read())
        return found and int(found[1])

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + self.session + path, data, {"Content-Type": "application/json"},
                                         method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE_S) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            with error:
                value = json.load(error)["value"]
            raise Failed(f'{value["error"]}: {value["message"]}') from None

    def tell(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Runs a script in the page, and returns what it returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """The same of a script that calls its last argument with the result."""
        return self.ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.ask("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def scheme(self, scheme):
        """dark or light, as the system would say it."""
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def resize(self, width, height, factor=1, mobile=False):
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=factor,
                  mobile=mobile)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("GET", "/screenshot")))

    def requests(self):
        """The URL of each request since the last call."""
        entries = (json.loads(entry["message"])["message"] for entry in self.ask("POST", "/se/log", {"type": "performance"}))
        return [entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the browser says of the page: violations of its policy, and errors of its script."""
        said = [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})
                if entry["source"] != "network"]
        return said + self.run("return window.violations")

    def close(self):
        with contextlib.suppress(Exception):
            if self.session:
                self.ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
