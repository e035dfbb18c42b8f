#!/usr/bin/python3 -B
"""Makes the images of the page that README shows: page_images.py DIRECTORY [SECONDS].

For so long (600 s, for the ten minutes that the page draws) a daemon has callers whose number rises and
falls; then the page is photographed in both schemes.
"""
import math
import os
import random
import sys
import threading
import time
import urllib.parse

from browser import Browser
from harness import Connection, Daemon, parse_address, request_bytes

CONFIG = """
listen: ["127.0.0.1:0"]
admin_listen: ["127.0.0.1:0"]
limits:
  - {name: login, match: "login:*", burst: 5, rate: 10/h, warn: 80%}
  - {name: api, match: "api:*", buckets: [{name: second, burst: 20, rate: 10/s}, {name: hour, burst: 4000, rate: 14400/h}]}
  - {name: jobs, match: "job:*", concurrent: 8}
  - {name: mail, match: "mail:*", burst: 100, rate: 5/s, overrides: [{key: "mail:newsletter", burst: 1000, rate: 50/s}]}
  - {name: default, burst: 10, rate: 1/s}
"""


def call(daemon, ends):
    dice = random.Random(16)
    began = time.monotonic()
    with Connection(daemon.address) as connection:
        for i in range(5):
            connection.send(request_bytes("POST", f"/acquire?key=job:{i % 2}&ttl=1h"))
            connection.receive()
        while not ends.is_set():
            now = time.monotonic() - began
            wave = 1 + .6 * math.sin(now / 45) + .3 * math.sin(now / 7)
            burst = 3 if now % 200 > 185 else 1
            key = dice.choice([f"api:{dice.randrange(30)}"] * 9 + [f"mail:{dice.choice(['newsletter', 'alerts', 'invoices'])}"] * 3 +
                              [f"198.51.100.{dice.randrange(40)}"] * 4 +
                              [f"login:{dice.choice(['alice', 'bob', 'carol', 'dave', 'erin'])}"] * burst)
            connection.send(request_bytes("GET", "/allow?key=" + urllib.parse.quote(key)))
            connection.receive()
            ends.wait(.008 / wave / burst)


def main():
    directory, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 600
    ends = threading.Event()
    with Daemon(CONFIG, listen=()) as daemon, Browser(1440, 1330) as browser:
        caller = threading.Thread(target=call, args=(daemon, ends))
        caller.start()
        admin = parse_address(daemon.wait_for_line(r"listening for admins on (\S+)")[1])
        try:
            with Connection(admin) as connection:
                until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
                connection.send(request_bytes("PUT", "/overrides?limit=login&key=login:mallory&action=deny&"
                                              f"reason=guesses+passwords&until={until}"))
                if connection.receive().status != 201:
                    raise AssertionError("the override was refused")
            browser.open("http://%s:%d/" % admin)
            time.sleep(max(0, seconds - 60))
            browser.type("#key", "login:alice")
            browser.click("#ask button")
            browser.run("document.activeElement.blur(); scrollTo(0, 0)")
            time.sleep(min(60, seconds))
            for scheme in ("light", "dark"):
                browser.scheme(scheme)
                time.sleep(1)
                browser.screenshot(os.path.join(directory, f"page-{scheme}.png"))
        finally:
            ends.set()
            caller.join()


if __name__ == "__main__":
    main()
