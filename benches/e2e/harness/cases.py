"""What is measured: which load, on proxies in which setting, and what is to be compared with what."""

from dataclasses import dataclass, field

from loads import H2load, Rig
from peers import FLOOR, OTHERS, SPLICING_FLOOR, WEIR, Peer, Setting


@dataclass(frozen=True)
class Contestant:
    """A proxy in a setting under a load."""

    name: str
    peer: Peer
    setting: Setting
    load: object
    # Weights change so many times a second meanwhile.
    changes: int = 0


@dataclass(frozen=True)
class Case:
    """Contestants that are measured in turn."""

    name: str
    title: str
    contestants: list
    kind: str = "cpu"
    unit: str = "request"
    # What the proxy is compared with instead of the other proxies: itself, by the contestant's name.
    base: str = ""
    # What is asked for: ratios to the best peer, the floor and the base; KiB per connection, MiB in all.
    limits: dict = field(default_factory=dict)
    connections: int = 0


def against_all(name, title, load, setting=Setting(), floors=(FLOOR,), **more):
    contestants = [Contestant(peer.name, peer, setting, load) for peer in (*floors, WEIR, *OTHERS)]
    return Case(name, title, contestants, **more)


def against_itself(name, title, variants, **more):
    """Variants: (name, setting, load, changes of weights per second); the first is what the others are compared with."""
    contestants = [Contestant(f"weir: {variant}", WEIR, *rest) for variant, *rest in variants]
    return Case(name, title, contestants, base=contestants[0].name, **more)


def _http(*arguments):
    return Rig("http", arguments)


SMALL = _http("--connections", "64")
H2 = H2load(8, ("-m100",), 1024)


def _cpu_cases():
    body = lambda size, length, connections: _http("--path", size, "--expect", str(length), "--connections", connections)
    hello = Rig("handshakes", ("--authority", "{authority}"))
    grpc = H2load(8, ("-m100",), 1024 + 5, grpc=True)
    both = Setting(h2=True, upstream_h2=True)
    return [
        against_all("h1-64", "HTTP/1.1, 64 connections, 1 KiB", SMALL, limits={"peer": 0.80, "floor": 1.20}),
        against_all(
            "h1-1000",
            "HTTP/1.1, 1,000 connections, 1 KiB",
            _http("--connections", "1000"),
            limits={"peer": 0.45, "floor": 1.4},
        ),
        against_all("body-64k", "64 KiB answers", body("/64k", 1 << 16, "64"), limits={"peer": 0.80, "floor": 1.15}),
        against_all(
            "body-10m",
            "10 MiB answers",
            body("/10m", 10 << 20, "8"),
            floors=(FLOOR, SPLICING_FLOOR),
            limits={"peer": 0.90, "floor": 1.2},
        ),
        against_all(
            "post-16k",
            "16 KiB POST",
            _http("--post", "16384", "--path", "/200", "--expect", "200"),
            limits={"peer": 0.85, "floor": 1.4},
        ),
        against_all(
            "connect", "a new connection per request", _http("--reconnect"), limits={"peer": 1.00, "floor": 1.08}
        ),
        against_all(
            "tls",
            "TLS 1.3, HTTP/1.1, 64 connections",
            H2load(64, ("--h1",), 1024, tls=True),
            Setting(tls=True),
            floors=(),
            limits={"peer": 0.70},
        ),
        against_all(
            "tls-handshake",
            "TLS 1.3, full handshake and one request",
            hello,
            Setting(tls=True),
            floors=(),
            unit="handshake",
            limits={"peer": 0.75},
        ),
        against_all(
            "h2", "HTTP/2 downstream, 8 connections of 100 streams", H2, Setting(h2=True), floors=(), limits={"peer": 0.50}
        ),
        against_all("grpc", "gRPC unary, HTTP/2 on both sides", grpc, both, limits={"peer": 0.60}),
        against_all(
            "websocket",
            "WebSocket echo of 100 bytes, 64 connections",
            Rig("websocket", ("--connections", "64")),
            Setting(websocket=True),
            unit="message",
        ),
    ]


def _latency_cases():
    return [
        against_all(
            "latency", "HTTP/1.1, 64 connections, fixed rate: half of saturation", SMALL, kind="latency", floors=(FLOOR,)
        )
    ]


def _own_cases():
    plain = Setting()
    header = lambda n: ("--path", f"/1k/service-{n}/items", "--header", f"x-tenant: tenant-{n}")
    one, among = _http(*header(0)), _http(*header(789))
    sticky = _http("--header", "cookie: theme=dark; {cookie}")
    return [
        against_itself(
            "routes",
            "1,000 routes with header matches",
            [("1 route", Setting(routes=1), one, 0), ("1,000 routes", Setting(routes=1000), among, 0)],
            limits={"own": 1.05},
        ),
        against_itself(
            "sticky",
            "sticky, clients that come back with their cookie",
            [("not sticky", plain, _http("--header", "cookie: theme=dark"), 0), ("sticky", Setting(sticky=True), sticky, 0)],
        ),
        against_itself("mirror", "mirror 10%", [("no mirror", plain, SMALL, 0), ("mirror", Setting(mirror=True), SMALL, 0)]),
        against_itself(
            "changes",
            "weights change 100 times a second",
            [("at rest", plain, SMALL, 0), ("changing", plain, SMALL, 100)],
            limits={"own": 1.01},
        ),
        against_itself(
            "workers",
            "two workers on two cores, which load and backend use, too",
            [("1 worker", plain, SMALL, 0), ("2 workers", Setting(workers=2), SMALL, 0)],
            limits={"own": 1.10},
        ),
    ]


def _memory_cases():
    def idle(name, title, connections, limits, setting=Setting(), *arguments):
        load = Rig("hold", ("--connections", str(connections), *arguments))
        more = {"kind": "memory", "connections": connections, "limits": limits}
        return against_all(name, title, load, setting, floors=(), **more)

    tls = Setting(tls=True)
    return [
        idle("idle-1", "1 idle connection", 1, {}),
        idle("idle-1000", "1,000 idle connections", 1000, {"each": 4}),
        idle("idle-9500", "9,500 idle connections", 9500, {"each": 4, "all": 50}),
        idle("idle-tls-1000", "1,000 idle connections with TLS", 1000, {"each": 16}, tls, "--authority", "{authority}"),
    ]


CASES = [*_cpu_cases(), *_latency_cases(), *_own_cases(), *_memory_cases()]
