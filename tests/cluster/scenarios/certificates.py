"""Certificates come from Secrets of a Gateway and an Ingress: renewed, referred to later, permitted by a grant, removed."""

import base64
import pathlib
import socket
import ssl
import subprocess
import tempfile

from support.gateway import gateway_up
from support.kube import condition

HOST, OTHER, INGRESS = "shop.example.com", "other.example.com", "ingress.example.com"

ROUTES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: weir
  tls: [{hosts: [ingress.example.com], secretName: ingress}]
  rules:
  - host: ingress.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}
"""

GRANT = """\
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: certificates}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: certificates}]
  to: [{group: "", kind: Secret}]
"""


def run(scenario):
    elsewhere = scenario.beside("certificates-elsewhere")
    weir = scenario.weir_up(replicas=1)
    scenario.backend("shop", "v1")
    write(scenario, "first", HOST, "one")
    write(scenario, "ingress", INGRESS, "ingress-one")
    write(scenario, "unused", "unused.example.com", "unused")
    address = gateway_up(scenario)
    scenario.apply(ROUTES)
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST)
    listen(scenario, [(HOST, {"name": "first"})])
    shows(scenario, address, HOST, "one")
    write(scenario, "first", HOST, "two")
    shows(scenario, address, HOST, "two")
    # A Secret that is written after the Gateway that refers to it, in a namespace that has to permit it.
    later = {"name": "later", "namespace": elsewhere.namespace}
    listen(scenario, [(HOST, {"name": "first"}), (OTHER, later)])
    resolved(scenario, OTHER, "RefNotPermitted")
    elsewhere.apply(GRANT)
    resolved(scenario, OTHER, "InvalidCertificateRef")
    write(elsewhere, "later", OTHER, "three")
    shows(scenario, address, OTHER, "three")
    shows(scenario, address, HOST, "two")
    scenario.kube.delete("secrets", "first")
    resolved(scenario, HOST, "InvalidCertificateRef")
    shows(scenario, address, OTHER, "three")
    write(scenario, "first", HOST, "four")
    shows(scenario, address, HOST, "four")
    shows(scenario, weir.address, INGRESS, "ingress-one")
    write(scenario, "ingress", INGRESS, "ingress-two")
    shows(scenario, weir.address, INGRESS, "ingress-two")
    return "certificates of a Gateway and an Ingress renewed, written later, permitted, removed and written again"


def write(scenario, name, host, mark):
    """A Secret with a certificate for a host, which has the mark as its organisation."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = (pathlib.Path(folder, file) for file in ("key", "certificate"))
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        about = ["-subj", f"/O={mark}/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        subprocess.run([*made, *about, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        text = {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}
    data = {field: base64.b64encode(content).decode() for field, content in text.items()}
    if scenario.kube.get("secrets", name) is None:
        scenario.kube.create("secrets", {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data})
    else:
        scenario.kube.patch("secrets", name, {"data": data})


def listen(scenario, hosts):
    """The Gateway has a listener for HTTP, and one for HTTPS with its certificate for each host."""
    tls = [
        {"name": host.split(".")[0], "port": 443, "protocol": "HTTPS", "hostname": host, "tls": {"certificateRefs": [ref]}}
        for host, ref in hosts
    ]
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}, *tls]
    scenario.kube.patch("gateways", "shop", {"spec": {"listeners": listeners}})


def resolved(scenario, host, reason):
    """Waits until the listener of a host gives this reason for its references."""

    def fits(found):
        listeners = found.get("status", {}).get("listeners", [])
        own = [listener for listener in listeners if listener["name"] == host.split(".")[0]]
        told = condition(own[0], "ResolvedRefs") if own else None
        return told is not None and told["reason"] == reason

    scenario.kube.wait("gateways", "shop", fits, 30, f"{reason} for {host}")


def shows(scenario, address, host, mark):
    """Waits until a client is shown the certificate with this mark, and its request is answered."""
    scenario.wait_until(lambda: mark in organisation(address, host), 30, f"the certificate {mark} for {host}")


def organisation(address, host):
    """The organisations of the certificate that a client is shown for a host; none where it is refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, 443), 5) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
            shown = tls.getpeercert(binary_form=True)
            tls.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            if not tls.recv(64).startswith(b"HTTP/1.1 200 "):
                return []
    except OSError:
        return []
    made = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"],
        input=shown,
        check=True,
        capture_output=True,
    )
    lines = made.stdout.decode().splitlines()
    return [line.split("=", 1)[1].strip() for line in lines if "organizationName" in line]
