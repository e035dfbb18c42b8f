#!/usr/bin/python3 -B
"""
The image of etc/examples/Containerfile: built as it stands, without a daemon and without a registry, for its base is one
that mmdebstrap makes. Then run in namespaces of its own as an engine would run it: its root read-only, as its user, and
without a capability.

Needs to be root. Building takes a minute or two, so all of it is one case of the share (share.py). ALLOWD_IMAGE=DIR takes
one that is built already, and was pushed to dir:DIR.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

from harness import ENDS_WITH_US, PATIENCE_S, TOP, Connection, parse_address, request_bytes, wait_until
from recipes import free_port, require_program
from share import share_of

CONTAINERFILE = "etc/examples/Containerfile"
USER = 65532
MOST_MB = 60
BUILD_S = 1800

LIMITS = "limits:\n  - {name: default, burst: 1000000, rate: 1000/30d}\n"


def load_tests(loader, _suites, _pattern):
    cases = share_of([Image, *[None] * 3])
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases if case is not None)


# ---- inside of the container ----

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38


def become(root, command):
    """What an engine does last: the process has its root, its user, no capability, and becomes the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execve(command[0], command, {})


# What is mounted in the container: the image, read-only, and what is given to it. Then it is entered.
MOUNT = r"""
set -eu
root=$1 network=$2
shift 2
[ "$network" = host ] || ip link set lo up
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    shift 2
done
shift
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec "$0" -B "$TEST" --become "$root" "$@"
"""


class Container:
    """A run of the image, by its Entrypoint and Cmd."""

    def __init__(self, image, mounts=(), network="host"):
        namespaces = ["--mount", "--pid", "--fork", "--kill-child"] + (["--net"] if network != "host" else [])
        given = [word for mount in mounts for word in map(str, mount)]
        self.log = tempfile.NamedTemporaryFile("r", prefix="allowd-image-", encoding="utf-8")
        with open(self.log.name, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*ENDS_WITH_US, "unshare", *namespaces, "sh", "-c", MOUNT, sys.executable, str(image.root), network,
                 *given, "--", *image.config["Entrypoint"], *image.config["Cmd"]],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                env={**os.environ, "TEST": os.path.abspath(__file__)})

    def lines(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def wait_for_line(self, pattern):
        def found():
            if self.process.poll() is not None and not re.search(pattern, self.lines()):
                raise AssertionError(f"it has ended: {self.lines()}")
            return re.search(pattern, self.lines())
        return wait_until(found, f"the log has {pattern!r}")

    def wait_until_ready(self):
        self.wait_for_line(" ready: ")
        # unshare has one child, which is the first process of the container.
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.pid = int(pathlib.Path(children).read_text(encoding="ascii"))
        return self

    def status(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return dict(re.findall(r"^(\w+):\t(.*)$", text, re.M))

    def execute(self, command):
        """As engines do it: a process of the image, in the container's namespaces and as its user."""
        done = subprocess.run(["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", sys.executable, "-B",
                               os.path.abspath(__file__), "--become", f"/proc/{self.pid}/root", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self):
        return self.process.wait(PATIENCE_S)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Built:
    """The image, once it is built: its configuration, its files, and a folder that has them."""

    def __init__(self, directory):
        self.directory = directory
        given = os.environ.get("ALLOWD_IMAGE")
        if given is None:
            self.build()
        self.read(pathlib.Path(given or directory / "image"))

    def build(self):
        directory = self.directory
        self.buildah("from", "--name", "base", "scratch")
        self.make_base()
        self.buildah("add", "base", str(directory / "base.tar"), "/")
        self.buildah("commit", "--rm", "base", "localhost/debian:12")
        context = directory / "context"
        self.copy_source(context)
        self.buildah("bud", "--isolation", "chroot", "--format", "docker", "--build-arg", "DEBIAN=localhost/debian:12",
                     "--tag", "allowd", "--file", str(context / CONTAINERFILE), str(context))
        self.buildah("push", "allowd", f"dir:{directory}/image")

    def run(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=BUILD_S, check=False, env={**os.environ, "TMPDIR": str(self.directory)})
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout[-5000:]}")

    def buildah(self, *command):
        self.run("buildah", "--root", str(self.directory / "store"), "--runroot", str(self.directory / "run"),
                 "--storage-driver", "vfs", *command)

    def make_base(self):
        sources = next(path for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
                       if os.path.exists(path))
        self.run("mmdebstrap", "--quiet", "--variant=apt", "bookworm", str(self.directory / "base.tar"), sources)

    def copy_source(self, context):
        """The tree without what was built in it."""
        context.mkdir()
        if not (TOP / ".git").exists():
            shutil.copytree(TOP, context, dirs_exist_ok=True, symlinks=True)
            return
        names = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z"], capture_output=True, check=True).stdout
        for name in names.decode().split("\0")[:-1]:
            if (TOP / name).exists():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TOP / name, context / name, follow_symlinks=False)

    def read(self, image):
        manifest = json.loads((image / "manifest.json").read_bytes())
        self.config = json.loads((image / manifest["config"]["digest"].partition(":")[2]).read_bytes())["config"]
        self.root = self.directory / "root"
        self.members = {}
        for layer in manifest["layers"]:
            with tarfile.open(image / layer["digest"].partition(":")[2]) as archive:
                self.members |= {member.name.rstrip("/"): member for member in archive}
                archive.extractall(self.root, numeric_owner=True)
        for name in ("proc", "dev", "sys"):  # engines make what they mount on
            (self.root / name).mkdir()


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can build and run it here")
        for name in ("buildah", "mmdebstrap", "ip"):
            require_program(name)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-image-"))
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        cls.image = Built(directory)

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-image-")))
        self.folder.chmod(0o755)

    def configure(self, text):
        """A configuration, as it is mounted over the image's, and where it listens."""
        self.address = f"127.0.0.1:{free_port()}"
        path = self.folder / "allowd.yaml"
        path.write_text(f"listen: ['{self.address}']\n{text}", encoding="utf-8")
        return path, "/etc/allowd.yaml"

    def ask(self, target):
        with Connection(parse_address(self.address)) as connection:
            connection.send(request_bytes("GET", target))
            return connection.receive()

    def health(self):
        kind, *command = self.image.config["Healthcheck"]["Test"]
        self.assertEqual(kind, "CMD")  # CMD-SHELL would take a shell
        return command

    def test_it_is_small_and_has_no_shell(self):
        members = self.image.members
        unpacked = sum(member.size for member in members.values())
        self.assertLess(unpacked, MOST_MB * 1_000_000)
        print(f"image: {unpacked / 1e6:.1f} MB, {sum(m.isfile() for m in members.values())} files", file=sys.stderr)
        runnable = [name for name, member in members.items()
                    if member.isfile() and member.mode & 0o111 and not re.search(r"\.so(\.|$)", name)]
        self.assertEqual(runnable, ["usr/sbin/allowd"])
        self.assertEqual([name for name, member in members.items() if member.mode & 0o6000], [])

    def test_its_user_is_a_number(self):
        """By which Kubernetes knows that it is not root."""
        self.assertEqual(self.image.config["User"], f"{USER}:{USER}")
        self.assertEqual((self.image.members["var/lib/allowd"].uid, self.image.members["usr/sbin/allowd"].uid),
                         (USER, 0))

    def test_as_it_stands(self):
        """By its own configuration, alone in its network."""
        with Container(self.image, network="own") as container:
            container.wait_until_ready()
            wait_until(lambda: container.execute(self.health())[0] == 0, "it is ready")
            status, said = container.execute([*self.health(), "/healthz"])
            self.assertEqual((status, json.loads(said)["status"]), (0, "alive"))
            container.signal(signal.SIGTERM)
            self.assertEqual(container.wait(), 0)

    def test_it_has_no_rights(self):
        with Container(self.image, [self.configure(LIMITS)]) as container:
            container.wait_until_ready()
            status = container.status()
            self.assertEqual({name: int(status[name], 16) for name in status if name.startswith("Cap")},
                             dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0))
            self.assertEqual((status["Uid"].split(), status["Groups"].strip(), status["NoNewPrivs"], status["NSpid"].split()[1]),
                             ([str(USER)] * 4, "", "1", "1"))
            mounts = pathlib.Path(f"/proc/{container.pid}/mountinfo").read_text(encoding="utf-8")
            (root,) = [line.split() for line in mounts.splitlines() if line.split()[4] == "/"]
            self.assertIn("ro", root[5].split(","))
            self.assertEqual(self.ask("/allow?key=a").status, 200)

    def test_probes_follow_it(self):
        """What orchestrators ask for, from its start to its end."""
        with Container(self.image, [self.configure("drain_delay: 1h\n" + LIMITS)]) as container:
            container.wait_until_ready()
            self.assertEqual((self.ask("/healthz").status, self.ask("/readyz").status), (200, 200))
            wait_until(lambda: container.execute(self.health())[0] == 0, "it is ready")
            container.signal(signal.SIGTERM)
            wait_until(lambda: "draining: " in container.execute(self.health())[1], "it says that it drains")
            self.assertEqual(container.execute(self.health())[0], 1)
            self.assertEqual((self.ask("/healthz").status, self.ask("/readyz").status), (200, 503))
            self.assertEqual(container.execute([*self.health(), "/healthz"])[0], 0)
            container.signal(signal.SIGTERM)
            self.assertEqual(container.wait(), 0)

    def test_a_drain_loses_nothing(self):
        """Clients ask without a pause, on new connections and on kept ones, until they hear that it is not ready."""
        red, faults, counts = threading.Event(), [], []

        def ask_on(is_kept):
            count = 0
            try:
                with contextlib.ExitStack() as kept:
                    connection = None
                    while not red.is_set():
                        if connection is None or not is_kept:
                            kept.close()
                            connection = kept.enter_context(Connection(parse_address(self.address)))
                        connection.send(request_bytes("GET", "/allow?key=load"))
                        if connection.receive().status != 200:
                            raise AssertionError("it is denied")
                        count += 1
            except (OSError, AttributeError, AssertionError) as fault:  # AttributeError: there was no answer
                faults.append(fault)
            counts.append(count)

        with Container(self.image, [self.configure("drain_delay: 1h\n" + LIMITS)]) as container:
            container.wait_until_ready()
            threads = [threading.Thread(target=ask_on, args=(number % 2 == 0,)) for number in range(4)]
            for thread in threads:
                thread.start()
            wait_until(lambda: self.ask("/status?key=load").json()["remaining"] < 999_900, "they ask")
            container.signal(signal.SIGTERM)
            wait_until(lambda: self.ask("/readyz").status == 503, "it is not ready")
            at_red = self.ask("/status?key=load").json()["remaining"]
            wait_until(lambda: self.ask("/status?key=load").json()["remaining"] < at_red - 100, "they ask on")
            red.set()
            for thread in threads:
                thread.join()
            left = self.ask("/status?key=load").json()["remaining"]
            container.signal(signal.SIGTERM)
            self.assertEqual(container.wait(), 0)
        self.assertEqual(faults, [])
        self.assertEqual(1_000_000 - left, sum(counts))

    def test_a_volume_outlives_it(self):
        """The buckets are in a file of its user's, and what kills the container loses none of them."""
        volume = self.folder / "volume"
        volume.mkdir(mode=0o700)
        os.chown(volume, USER, USER)
        given = [self.configure("state: /var/lib/allowd/state\nmax_keys: 1000\n" + LIMITS), (volume, "/var/lib/allowd")]
        for taken in range(3):
            with Container(self.image, given) as container:
                container.wait_until_ready()
                self.assertEqual(self.ask("/allow?key=a").json()["remaining"], 1_000_000 - 1 - taken)
                container.signal(signal.SIGKILL)
                container.wait()

    def test_without_a_volume_it_serves_and_is_not_ready(self):
        """A state in the image's own folder, which is read-only."""
        with Container(self.image, [self.configure("state: /var/lib/allowd/state\n" + LIMITS)]) as container:
            container.wait_until_ready()
            self.assertEqual(self.ask("/allow?key=a").status, 200)
            self.assertIn("/var/lib/allowd/state: Read-only file system", container.lines())
            wait_until(lambda: "degraded: " in container.execute(self.health())[1], "it says so")
            self.assertEqual(container.execute(self.health())[0], 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--become"]:
        become(sys.argv[2], sys.argv[3:])
    unittest.main()
