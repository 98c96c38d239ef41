"""ClusterIP Services by nftables: what kube-proxy does, for TCP and UDP inside the cluster's namespace."""

import subprocess
import threading
import time

from .log import log

# Changes come in bursts: this long they are gathered.
GATHER_SECONDS = 0.05
TABLE = "pkubelet"


class ServiceProxy:
    """Follows Services and EndpointSlices and rewrites one table for all of them."""

    def __init__(self, api):
        self.api = api
        self.services, self.slices = {}, {}
        self.lock = threading.Lock()
        self.changed, self.loaded = threading.Event(), None

    def start(self):
        self.follow("/api/v1/services", self.services)
        self.follow("/apis/discovery.k8s.io/v1/endpointslices", self.slices)
        threading.Thread(target=self.run, daemon=True).start()

    def follow(self, path, objects):
        def on_event(event, obj):
            key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
            with self.lock:
                if event == "DELETED":
                    objects.pop(key, None)
                else:
                    objects[key] = obj
            self.changed.set()

        def on_list(_):
            with self.lock:
                objects.clear()

        threading.Thread(target=self.api.watch, args=(path, on_event, on_list), daemon=True).start()

    def run(self):
        while True:
            self.changed.wait()
            time.sleep(GATHER_SECONDS)
            self.changed.clear()
            text = self.ruleset()
            if text != self.loaded:
                self.load(text)

    def load(self, text):
        done = subprocess.run(
            ["nft", "-f", "-"], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            log("nft:", done.stdout)
        self.loaded = text

    def ruleset(self):
        """The whole table: rewritten destinations, hairpins, refusals."""
        rewrites, refusals, backends = [], [], set()
        with self.lock:
            services, slices = list(self.services.items()), by_service(self.slices)
        for (namespace, name), service in services:
            address = service["spec"].get("clusterIP")
            if not address or address == "None":
                continue
            for port in service["spec"].get("ports", []):
                if port["protocol"] not in ("TCP", "UDP"):
                    continue
                match = f"ip daddr {address} {port['protocol'].lower()} dport {port['port']}"
                targets = ready_targets(slices.get((namespace, name), []), port)
                backends |= {target for target, _ in targets}
                if targets:
                    rewrites.append(f"{match} dnat to {choice(targets)}")
                else:
                    # Like kube-proxy: refused, not silent.
                    refusals.append(f"{match} reject" + (" with tcp reset" if port["protocol"] == "TCP" else ""))
        return table(rewrites, refusals, sorted(backends))


def by_service(slices):
    """The IPv4 slices of each Service."""
    found = {}
    for (namespace, _), each in slices.items():
        if each["addressType"] == "IPv4":
            owner = each["metadata"].get("labels", {}).get("kubernetes.io/service-name")
            found.setdefault((namespace, owner), []).append(each)
    return found


def ready_targets(slices, port):
    """The ready endpoints; without any those that still serve while they end."""
    ready, serving = [], []
    for found in slices:
        for number in ports(found, port):
            for endpoint in found["endpoints"] or []:
                conditions = endpoint.get("conditions", {})
                target = (endpoint["addresses"][0], number)
                if conditions.get("ready"):
                    ready.append(target)
                elif conditions.get("serving"):
                    serving.append(target)
    return ready or serving


def ports(found, port):
    """The numbers that a Service's port has in a slice."""
    wanted = (port.get("name", ""), port.get("protocol"))
    return [each["port"] for each in found.get("ports") or [] if (each.get("name", ""), each.get("protocol")) == wanted]


def choice(targets):
    pairs = ", ".join(f"{i} : {address} . {port}" for i, (address, port) in enumerate(targets))
    return f"numgen random mod {len(targets)} map {{ {pairs} }}"


def table(rewrites, refusals, backends):
    hairpins = [f"ip saddr {address} ip daddr {address} masquerade" for address in backends]
    chains = [
        chain("prerouting", "type nat hook prerouting priority -100", rewrites),
        chain("output", "type nat hook output priority -100", rewrites),
        chain("postrouting", "type nat hook postrouting priority 100", hairpins),
        chain("refused_output", "type filter hook output priority 0", refusals),
        chain("refused_forward", "type filter hook forward priority 0", refusals),
    ]
    # Declared, deleted and made again in one step: so it need not be there before.
    return f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{''.join(chains)}}}\n"


def chain(name, hook, rules):
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain {name} {{\n    {hook}; policy accept;\n{lines}  }}\n"
