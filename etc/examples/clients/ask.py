"""ask.py KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down."""
import sys
import urllib.error
import urllib.request


def wait_s(key):
    """0: go on; -1: waiting does not help."""
    try:
        urllib.request.urlopen("http://127.0.0.1:10429/allow?key=" + urllib.request.quote(key, ""), timeout=0.5).close()
    except urllib.error.HTTPError as answer:
        return int(answer.headers.get("Retry-After", -1)) if answer.code == 429 else 0
    except OSError:
        pass  # allowd is down
    return 0


if __name__ == "__main__":
    seconds = wait_s(sys.argv[1])
    print("go on" if seconds == 0 else f"wait {seconds}" if seconds > 0 else "never")
