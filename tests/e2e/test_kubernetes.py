#!/usr/bin/python3 -B
"""
The manifests of etc/examples: held against what Kubernetes and the Gateway API know (kubernetes/judge.mjs, with packages
from npm), and run as far as that goes without a cluster: allowd with the configuration in them, its probes as a kubelet
makes them, and a gateway that asks as the API says.
"""
import http.client
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import npm_package
from harness import ALLOWD, PATIENCE_S, Daemon, run_allowd, wait_until
from recipes import EXAMPLES, free_port, replaced
from share import load_tests  # which unittest calls
from stall import stalled

SIDECAR, GATEWAY = "kubernetes-sidecar.yaml", "kubernetes-gateway.yaml"
PORT = 10429
SLOWED = ("rate: 10/s", "rate: 1/d")
DRAIN_S = 5  # allowd(8)

judge_directory = None
judged = {}


def setUpModule():
    global judge_directory
    judge_directory = npm_package.install("kubernetes")
    unittest.addModuleCleanup(shutil.rmtree, judge_directory)
    judged.update(zip((SIDECAR, GATEWAY), judge([text_of(SIDECAR), text_of(GATEWAY)])))


def text_of(name):
    return (EXAMPLES / name).read_text(encoding="utf-8")


def judge(texts):
    """The documents and the faults of each text."""
    with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as folder:
        paths = [pathlib.Path(folder) / f"{number}.yaml" for number in range(len(texts))]
        for path, text in zip(paths, texts):
            path.write_text(text, encoding="utf-8")
        done = subprocess.run(["node", "judge.mjs", *map(str, paths)], cwd=judge_directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def document(name, kind):
    found, = [document for document in judged[name]["documents"] if document["kind"] == kind]
    return found


def pod(name):
    return document(name, "Deployment")["spec"]["template"]["spec"]


def containers(name):
    return pod(name).get("initContainers", []) + pod(name)["containers"]


def allowd_container(name):
    found, = [container for container in containers(name) if container["name"] == "allowd"]
    return found


def config_text(name):
    return document(name, "ConfigMap")["data"]["allowd.yaml"]


class Manifests(unittest.TestCase):
    def test_they_fit_the_schemas(self):
        for name in (SIDECAR, GATEWAY):
            with self.subTest(name):
                self.assertEqual(judged[name]["faults"], [])
        self.assertEqual([document["kind"] for document in judged[GATEWAY]["documents"]],
                         ["ConfigMap", "Deployment", "Service", "NetworkPolicy", "HTTPRoute"])

    def test_the_judge_sees_faults(self):
        cases = (
                (SIDECAR, "livenessProbe", "livenesProbe", "does not exist in type 'IContainer'"),
                (SIDECAR, "exec: {command", "exec: {commands", "does not exist in type 'IExecAction'"),
                (SIDECAR, "periodSeconds: 10", "periodSeconds: 10s", "periodSeconds: must be integer"),
                (SIDECAR, "name: allowd\n          image", "image", "must have required property name"),
                (GATEWAY, "path: /readyz, port: http", "path: /readyz", "must have required property port"),
                (GATEWAY, "protocol: HTTP\n", "protocol: HTTPS\n", "must be equal to one of the allowed values"),
                (GATEWAY, "type: ExternalAuth", "type: ExternAuth", "must be equal to one of the allowed values"),
                (GATEWAY, "allowedHeaders", "allowHeaders", "does not exist in type 'IHTTPAuthConfig'"),
                (GATEWAY, "kind: Service\n", "kind: Service\nkind: Service\n", "Map keys must be unique"))
        found = judge([text_of(name).replace(old, new, 1) for name, old, new, _ in cases])
        for (name, old, new, fault), said in zip(cases, found, strict=True):
            with self.subTest(old=old, new=new):
                self.assertIn(old, text_of(name))
                self.assertIn(fault, "\n".join(said["faults"]))

    def test_they_are_restricted(self):
        """What the Pod Security Standard of that name wants; and no root that can be written for allowd."""
        for name in (SIDECAR, GATEWAY):
            spec = pod(name)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(spec))
            for container in containers(name):
                with self.subTest(name, container=container["name"]):
                    context = container["securityContext"]
                    self.assertEqual((context["allowPrivilegeEscalation"], context["capabilities"]),
                                     (False, {"drop": ["ALL"]}))
            self.assertIs(allowd_container(name)["securityContext"]["readOnlyRootFilesystem"], True)

    def test_they_are_for_the_image(self):
        recipe = text_of("Containerfile")
        user = int(re.search(r"^USER (\d+):\1$", recipe, re.M)[1])
        program = json.loads(re.search(r"^ENTRYPOINT (.*)$", recipe, re.M)[1])[0]
        for name in (SIDECAR, GATEWAY):
            context = pod(name)["securityContext"] | allowd_container(name)["securityContext"]
            self.assertEqual((context["runAsUser"], context["runAsGroup"]), (user, user))
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertEqual(allowd_container(SIDECAR)[probe]["exec"]["command"][0], program)

    def test_what_is_named_is_there(self):
        for name in (SIDECAR, GATEWAY):
            with self.subTest(name):
                deployment, container = document(name, "Deployment")["spec"], allowd_container(name)
                labels = deployment["template"]["metadata"]["labels"]
                self.assertEqual(deployment["selector"]["matchLabels"], labels)
                volume, = pod(name)["volumes"]
                mount, = container["volumeMounts"]
                self.assertEqual((volume["name"], volume["configMap"]["name"]),
                                 (mount["name"], document(name, "ConfigMap")["metadata"]["name"]))
                self.assertEqual(container["args"], ["-c", mount["mountPath"] + "/allowd.yaml"])
        labels = document(GATEWAY, "Deployment")["spec"]["template"]["metadata"]["labels"]
        service, policy = document(GATEWAY, "Service"), document(GATEWAY, "NetworkPolicy")["spec"]
        self.assertEqual((service["spec"]["selector"], policy["podSelector"]["matchLabels"]), (labels, labels))
        port, = service["spec"]["ports"]
        self.assertEqual((allowd_container(GATEWAY)["ports"], port["targetPort"], policy["ingress"][0]["ports"][0]["port"]),
                         ([{"name": "http", "containerPort": PORT}], "http", "http"))
        filter, = document(GATEWAY, "HTTPRoute")["spec"]["rules"][0]["filters"]
        self.assertEqual(filter["externalAuth"]["backendRef"], {"name": service["metadata"]["name"], "port": port["port"]})

    def test_the_life_of_a_pod(self):
        """The sidecar is a native one; and who ends has the time for it, without a preStop."""
        self.assertEqual([(container["name"], container["restartPolicy"]) for container in pod(SIDECAR)["initContainers"]],
                         [("allowd", "Always")])
        for name in (SIDECAR, GATEWAY):
            self.assertNotIn("lifecycle", allowd_container(name))
        delay_s = int(re.search(r"^drain_delay: (\d+)s$", config_text(GATEWAY), re.M)[1])
        self.assertGreater(pod(GATEWAY)["terminationGracePeriodSeconds"], delay_s + DRAIN_S)

    def test_the_configurations_are_fine(self):
        for name in (SIDECAR, GATEWAY):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(config_text(name))
                file.flush()
                self.assertEqual(run_allowd("-t", "-c", file.name), (0, "", "allowd: the configuration is fine\n"))


class Runs:
    """The configuration of a manifest, on a port of this test's."""

    name = None

    def setUp(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def start(self, *replacements):
        daemon = Daemon(replaced(config_text(self.name), [
            (f":{PORT}\"]", f":{self.port}\"]"), *replacements]), listen=())
        self.addCleanup(daemon.kill)
        return daemon

    def probes(self):
        return {kind: allowd_container(self.name)[kind + "Probe"] for kind in ("startup", "readiness", "liveness")}

    def seen(self):
        """What the kubelet makes of each probe."""
        return {kind: self.succeeds(probe) for kind, probe in self.probes().items()}

    def assert_probes_follow(self):
        nothing = dict.fromkeys(("startup", "readiness", "liveness"), False)
        self.assertEqual(self.seen(), nothing)
        daemon = self.start()
        wait_until(lambda: all(self.seen().values()), "all probes succeed")
        with stalled(daemon, "state"):
            wait_until(lambda: self.seen() == nothing, "no probe succeeds")
        wait_until(lambda: all(self.seen().values()), "all probes succeed again")
        return daemon


class Sidecar(Runs, unittest.TestCase):
    name = SIDECAR

    def succeeds(self, probe):
        """The command's status is 0; of its words only the program and the port are others here."""
        command = [ALLOWD, *(word.replace(f":{PORT}", f":{self.port}") for word in probe["exec"]["command"][1:])]
        self.assertIn(self.address, command)
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
        return done.returncode == 0

    def start(self, *replacements):
        return super().start(*replacements, ("rate: 10/s}", "rate: 10/s}\nthreads: 1"))

    def test_probes_follow_it(self):
        self.assert_probes_follow().stop()
        self.assertFalse(any(self.seen().values()))

    def test_a_faulty_change_of_its_configuration_fails_no_probe(self):
        """The kubelet puts it there, and allowd goes on by the one before."""
        daemon = self.start()
        daemon.write_config("limits: none\n")
        wait_until(lambda: all(self.seen().values()), "all probes succeed")

    def test_the_service_can_ask(self):
        url, = [item["value"] for item in pod(SIDECAR)["containers"][0]["env"] if item["name"] == "ALLOWD_URL"]
        self.assertEqual(url, f"http://127.0.0.1:{PORT}")
        self.start(("rate: 10/m", "rate: 1/d"))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        statuses = []
        for _ in range(7):
            connection.request("GET", "/allow?key=login:alice")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        self.assertEqual(statuses, [200] * 5 + [429] * 2)


class Gateway(Runs, unittest.TestCase):
    name = GATEWAY
    trusted = ("[10.0.0.0/8]", "[127.0.0.1]")

    def succeeds(self, probe):
        """A GET of the pod's address, answered by 200 to 399 in time."""
        get = probe["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in allowd_container(self.name)["ports"]}
        self.assertEqual(ports[get["port"]], PORT)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=probe["timeoutSeconds"])
        try:
            connection.request("GET", get["path"], headers={"User-Agent": "kube-probe/1.34", "Accept": "*/*",
                                                            "Connection": "close"})
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def start(self, *replacements):
        return super().start(self.trusted, ("checks:", "threads: 1\nchecks:"), *replacements)

    def ask(self, client, method="GET", path="/", headers=None, patience_s=PATIENCE_S):
        """What the gateway asks for a request, and the answer; None: it got none."""
        auth = document(GATEWAY, "HTTPRoute")["spec"]["rules"][0]["filters"][0]["externalAuth"]
        request = {"Host": "shop.example", "Content-Length": "0"}
        if "X-Forwarded-For" in auth["http"]["allowedHeaders"]:
            request["X-Forwarded-For"] = client
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience_s)
        try:
            connection.request(method, auth["http"]["path"] + path, headers={**request, **(headers or {})})
            response = connection.getresponse()
            response.read()
            return response
        except OSError:
            return None
        finally:
            connection.close()

    def passes(self, *arguments, **options):
        response = self.ask(*arguments, **options)
        return response is not None and response.status == 200

    def test_probes_follow_it(self):
        daemon = self.assert_probes_follow()
        daemon.stop()
        self.assertFalse(any(self.seen().values()))

    def test_it_serves_on_until_nobody_is_sent_to_it(self):
        daemon = self.start(("drain_delay: 10s", "drain_delay: 1h"), SLOWED)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not self.seen()["readiness"], "it is not ready")
        wait_until(lambda: self.seen()["liveness"], "it is alive")
        self.assertTrue(self.passes("192.0.2.1"))
        daemon.stop()

    def test_exactly_the_burst_passes(self):
        self.start(SLOWED)
        for client in ("192.0.2.1", "2001:db8::1"):
            self.assertEqual([self.passes(client) for _ in range(23)], [True] * 20 + [False] * 3)
        denied = self.ask("192.0.2.1")
        self.assertEqual(denied.status, 429)
        self.assertGreaterEqual(int(denied.headers["Retry-After"]), 1)

    def test_a_yes_is_200_whatever_is_asked_about(self):
        self.start(SLOWED)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for path in ("/", "/a?b=c&key=d", "/%2e%2e/x", "//a"):
                with self.subTest(method, path=path):
                    client = f"198.51.100.{len(method) * 10 + len(path)}"
                    response = self.ask(client, method, path, {"Authorization": "Bearer x"})
                    self.assertEqual(response.status, 200)
                    auth = document(GATEWAY, "HTTPRoute")["spec"]["rules"][0]["filters"][0]["externalAuth"]
                    for name in auth["http"]["allowedResponseHeaders"]:
                        self.assertIsNotNone(response.headers[name])

    def test_any_trouble_is_a_no(self):
        self.assertFalse(self.passes("192.0.2.1"), "it is down")
        daemon = self.start(SLOWED)
        self.assertTrue(self.passes("192.0.2.1"))
        self.assertFalse(self.passes("unknown"))
        self.assertFalse(self.passes("192.0.2.1", headers={"Transfer-Encoding": "gzip"}), "it is refused")
        with stalled(daemon, "state"):
            self.assertFalse(self.passes("192.0.2.1", patience_s=1), "it does not answer")
        daemon.signal(signal.SIGSTOP)
        self.assertFalse(self.passes("192.0.2.1", patience_s=1), "it stands still")
        daemon.signal(signal.SIGCONT)

    def test_others_are_not_believed(self):
        """Who is not of the gateway chooses no client: it is a client itself."""
        self.trusted = ("checks:", "checks:")
        self.start(SLOWED)
        self.assertEqual([self.passes(f"192.0.2.{number}") for number in range(23)], [True] * 20 + [False] * 3)


if __name__ == "__main__":
    unittest.main()
