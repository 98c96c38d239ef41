"""The network of a pod: a namespace of its own, joined to the cluster's by a veth with one route at each end."""

import os
import subprocess

# The same next hop for every pod: it only has to be there.
GATEWAY = "169.254.1.1"


class Sandbox:
    """Namespaces that last as long as the pod, whatever its containers do."""

    def __init__(self, pod, host_address):
        self.pod, self.host_address = pod, host_address
        self.holder = None
        self.address = None

    def open(self):
        os.makedirs(self.pod.folder, exist_ok=True)
        if self.pod.spec.get("hostNetwork"):
            self.address = self.pod.node.address
        else:
            self.address = self.pod.node.allocate()
            self.hold()
            self.connect()
        self.write_files()

    def hold(self):
        """Makes the namespaces; the line that is read says that they are there."""
        script = 'hostname "$0"; echo; exec sleep infinity'
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "--ipc", "sh", "-c", script, self.pod.name[:63]],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.holder.stdout.readline()

    def connect(self):
        device, holder = "v" + self.pod.uid.replace("-", "")[:12], str(self.holder.pid)
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", holder)
        run("ip", "addr", "add", f"{GATEWAY}/32", "dev", device, "scope", "link")
        run("ip", "link", "set", device, "up")
        run("ip", "route", "replace", f"{self.address}/32", "dev", device, "src", self.host_address)
        inside = [
            "ip link set lo up",
            "ip link set eth0 up",
            f"ip addr add {self.address}/32 dev eth0",
            f"ip route add {GATEWAY} dev eth0 scope link",
            f"ip route add default via {GATEWAY} src {self.address}",
        ]
        run("nsenter", "-t", holder, "-n", "sh", "-ec", "; ".join(inside))

    def write_files(self):
        hosts = ["127.0.0.1 localhost", "::1 localhost", f"{self.address} {self.pod.name}"]
        hosts += [f"{each['ip']} {' '.join(each['hostnames'])}" for each in self.pod.spec.get("hostAliases", [])]
        resolver = [
            f"search {self.pod.namespace}.svc.cluster.local svc.cluster.local cluster.local",
            "nameserver 10.96.0.10",
            "options ndots:5",
        ]
        for name, lines in (("hosts", hosts), ("resolv.conf", resolver)):
            with open(f"{self.pod.folder}/{name}", "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")

    def enter(self):
        """What a command of the pod starts with."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-u", "-i"] if self.holder else []

    def close(self):
        """The veth goes with the namespace."""
        if self.holder:
            self.holder.kill()
            self.holder.wait()


def run(*command, check=True):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
