"""Pods that the API server cannot be reached from: packets are dropped, and no connection is told of it."""

import contextlib
import subprocess

# Drops what the pod sends to the API server and what it is sent by it, before addresses are rewritten. Everything else flows, probes and
# clients included, which come from the same address.
RULES = """\
table ip {table} {{
  chain sent {{
    type filter hook prerouting priority raw; policy accept;
    ip saddr {pod} tcp dport {{ 443, 6443 }} ip daddr {{ {servers} }} drop
  }}
  chain received {{
    type filter hook output priority raw; policy accept;
    ip daddr {pod} tcp sport 6443 drop
  }}
}}
"""


@contextlib.contextmanager
def cut_off(kube, pod):
    """Inside this, the pod and the API server do not hear of each other."""
    address, table = pod["status"]["podIP"], f"cut_{pod['metadata']['name'].replace('-', '_')}"
    servers = {kube.service_address("kubernetes", "default"), *server_addresses(kube)}
    nft("-f", "-", stdin=RULES.format(table=table, pod=address, servers=", ".join(sorted(servers))))
    try:
        yield
    finally:
        nft("delete", "table", "ip", table)


def server_addresses(kube):
    """Where the Service of the API server leads."""
    slices = kube.list("endpointslices", "default", selector="kubernetes.io/service-name=kubernetes")
    return [address for found in slices for endpoint in found["endpoints"] for address in endpoint["addresses"]]


def nft(*arguments, stdin=None):
    """Changes the rules of the cluster's network, in which scenarios run."""
    done = subprocess.run(["nft", *arguments], input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
