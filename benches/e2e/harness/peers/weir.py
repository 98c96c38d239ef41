"""Weir, always with a split of 90/10 and with its numbers on, since that is its job."""

import json
import subprocess

from processes import free_port

from .base import Peer, Unsupported


class Weir(Peer):
    family = "weir"
    split = True

    def configuration(self, context, setting, port, admin, ops):
        stable, canary = context.upstreams(setting)
        scheme = "h2c://" if setting.upstream_h2 else ""
        versions = [
            {"name": "stable", "weight": 90, "endpoints": [f"{scheme}127.0.0.1:{stable}"]},
            {"name": "canary", "weight": 10, "endpoints": [f"{scheme}127.0.0.1:{canary}"]},
        ]
        listener = {"name": "bench", "address": f"127.0.0.1:{port}"}
        if setting.tls:
            pair = {"cert": str(context.certificate.cert), "key": str(context.certificate.key)}
            listener["tls"] = {"certificates": [pair], "minVersion": "1.3"}
        split = {"name": "bench", "versions": versions}
        if setting.sticky:
            split["sticky"] = {"cookie": "weir"}
        if setting.mirror:
            split["mirror"] = {"to": "canary", "percent": 10}
        return {
            "admin": {"address": f"127.0.0.1:{admin}"},
            "ops": {"address": f"127.0.0.1:{ops}"},
            "workers": setting.workers,
            "shutdown": {"delay": "0s", "timeout": "1s"},
            "listeners": [listener],
            "splits": routes(split, setting.routes) if setting.routes else [split],
        }

    def command(self, context, setting, port, folder):
        admin, ops = free_port(), free_port()
        # A folder of its own: its folder is what the proxy watches, and the log is written to beside it.
        file = folder / "configuration" / "weir.json"
        file.parent.mkdir()
        file.write_text(json.dumps(self.configuration(context, setting, port, admin, ops), indent=1))
        weir = context.programs["weir"]
        check = subprocess.run([weir, "check", file], capture_output=True, text=True, timeout=30)
        if check.returncode != 0:
            told = (check.stdout + check.stderr).replace(f"{file.parent}/", "").strip().splitlines()
            raise Unsupported(f"not supported by this build: {told[0] if told else 'weir check fails'}")
        return [weir, "run", "--config", file], {"admin": admin, "ops": ops, "configuration": file}


def routes(split, number):
    """As many routes, told apart by path and header: requests for any of them find theirs among all."""

    def route(n):
        match = {"path": {"prefix": f"/1k/service-{n}"}, "headers": [{"name": "x-tenant", "exact": f"tenant-{n}"}]}
        return {**split, "name": f"bench-{n}", "matches": [match]}

    # The last takes what has no such header, so that the proxy can be asked whether it is ready.
    return [*(route(n) for n in range(number)), split]
