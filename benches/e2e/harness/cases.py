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


PLAIN = Setting()
TLS = Setting(tls=True)


def against_all(name, title, load, setting=PLAIN, floors=(FLOOR,), **more):
    contestants = [Contestant(peer.name, peer, setting, load) for peer in (*floors, WEIR, *OTHERS)]
    return Case(name, title, contestants, **more)


def against_itself(name, title, variants, **more):
    """Variants: (name, setting, load, weight changes per second); the first is what the others are compared with."""
    contestants = [Contestant(f"weir: {variant}", WEIR, *rest) for variant, *rest in variants]
    return Case(name, title, contestants, base=contestants[0].name, **more)


def _http(*arguments):
    return Rig("http", arguments)


def _body(path, length, connections):
    return _http("--path", path, "--expect", str(length), "--connections", str(connections))


SMALL = _http("--connections", "64")


def _http1_cases():
    many = _http("--connections", "1000")
    post = _http("--post", "16384", "--path", "/200", "--expect", "200")
    splice = {"floors": (FLOOR, SPLICING_FLOOR)}

    def limits(peer, floor):
        return {"limits": {"peer": peer, "floor": floor}}

    return [
        against_all("h1-64", "HTTP/1.1, 64 connections, 1 KiB", SMALL, **limits(0.80, 1.20)),
        against_all("h1-1000", "HTTP/1.1, 1,000 connections, 1 KiB", many, **limits(0.45, 1.4)),
        against_all("body-64k", "64 KiB answers", _body("/64k", 64 << 10, 64), **limits(0.80, 1.15)),
        against_all("body-10m", "10 MiB answers", _body("/10m", 10 << 20, 8), **splice, **limits(0.90, 1.2)),
        against_all("post-16k", "16 KiB POST", post, **limits(0.85, 1.4)),
        against_all("connect", "a new connection per request", _http("--reconnect"), **limits(1.00, 1.08)),
    ]


def _other_protocols():
    requests = H2load(64, ("--h1",), 1024, tls=True)
    hello = Rig("handshakes", ("--authority", "{authority}"))
    streams = H2load(8, ("-m100",), 1024)
    # An answer's message begins with five bytes about it.
    unary = H2load(8, ("-m100",), 5 + 1024, grpc=True)
    echo = Rig("websocket", ("--connections", "64"))
    both = Setting(h2=True, upstream_h2=True)

    def limit(peer, **more):
        return {"limits": {"peer": peer}, **more}

    return [
        against_all("tls", "TLS 1.3, HTTP/1.1, 64 connections", requests, TLS, (), **limit(0.70)),
        against_all("tls-handshake", "TLS 1.3, full handshakes", hello, TLS, (), **limit(0.75, unit="handshake")),
        against_all("h2", "HTTP/2 downstream, 8 × 100 streams", streams, Setting(h2=True), (), **limit(0.50)),
        against_all("grpc", "gRPC unary, HTTP/2 on both sides, 8 × 100 streams", unary, both, **limit(0.60)),
        against_all("websocket", "WebSocket echo, 64 connections", echo, Setting(websocket=True), unit="message"),
    ]


def _latency_cases():
    return [against_all("latency", "HTTP/1.1, 64 connections, at half of saturation", SMALL, kind="latency")]


def _service(number):
    return _http("--path", f"/1k/service-{number}/items", "--header", f"x-tenant: tenant-{number}")


def _own_cases():
    routes = [
        ("1 route", Setting(routes=1), _service(0), 0),
        ("1,000 routes", Setting(routes=1000), _service(789), 0),
    ]
    sticky = [
        ("not sticky", PLAIN, _http("--header", "cookie: theme=dark"), 0),
        ("sticky", Setting(sticky=True), _http("--header", "cookie: theme=dark; {cookie}"), 0),
    ]
    mirror = [("no mirror", PLAIN, SMALL, 0), ("mirror", Setting(mirror=True), SMALL, 0)]
    changes = [("at rest", PLAIN, SMALL, 0), ("changing", PLAIN, SMALL, 100)]
    workers = [("1 worker", PLAIN, SMALL, 0), ("2 workers", Setting(workers=2), SMALL, 0)]
    return [
        against_itself("routes", "1,000 routes with header matches", routes, limits={"own": 1.05}),
        against_itself("sticky", "sticky, clients that come back with their cookie", sticky),
        against_itself("mirror", "mirror 10%", mirror),
        against_itself("changes", "weights change 100 times a second", changes, limits={"own": 1.01}),
        against_itself("workers", "two workers beside load and backend", workers, limits={"own": 1.10}),
    ]


def _idle(name, title, connections, limits, setting=PLAIN, *arguments):
    load = Rig("hold", ("--connections", str(connections), *arguments))
    more = {"kind": "memory", "connections": connections, "limits": limits}
    return against_all(name, title, load, setting, floors=(), **more)


def _memory_cases():
    return [
        _idle("idle-1", "1 idle connection", 1, {}),
        _idle("idle-1000", "1,000 idle connections", 1000, {"each": 4}),
        _idle("idle-9500", "9,500 idle connections", 9500, {"each": 4, "all": 50}),
        _idle("idle-tls-1000", "1,000 idle with TLS", 1000, {"each": 16}, TLS, "--authority", "{authority}"),
    ]


CASES = [*_http1_cases(), *_other_protocols(), *_latency_cases(), *_own_cases(), *_memory_cases()]
