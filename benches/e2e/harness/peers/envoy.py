"""Envoy: one worker, two clusters by weight with their statistics, or one with the same backends."""

import json

from .base import Peer, Unsupported

_TYPE = "type.googleapis.com/envoy.extensions."
_MANAGER = _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = _TYPE + "filters.http.router.v3.Router"
_TLS = _TYPE + "transport_sockets.tls.v3.DownstreamTlsContext"
_UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_WINDOWS = {"initial_stream_window_size": 1 << 20, "initial_connection_window_size": 16 << 20}


class Envoy(Peer):
    family = "envoy"

    def __init__(self, split=False):
        self.split = split
        self.variant = "split" if split else ""

    def command(self, context, setting, port, folder):
        if setting.sticky or setting.mirror or setting.routes:
            raise Unsupported("not compared")
        file = folder / "envoy.json"
        file.write_text(json.dumps(self.configuration(context, setting, port), indent=1))
        quiet = ["--log-level", "error", "--disable-hot-restart"]
        return [context.programs["envoy"], "-c", file, "--concurrency", "1", *quiet], {}

    def configuration(self, context, setting, port):
        stable, canary = context.upstreams(setting)
        if self.split:
            clusters = [cluster("stable", [(stable, 1)], setting), cluster("canary", [(canary, 1)], setting)]
        else:
            clusters = [cluster("both", [(stable, 90), (canary, 10)], setting)]
        listener = {
            "name": "bench",
            "address": address(port),
            "tcp_backlog_size": 4096,
            "filter_chains": [{"filters": [self.manager(setting)], **tls(context, setting)}],
        }
        return {"static_resources": {"listeners": [listener], "clusters": clusters}}

    def manager(self, setting):
        weights = [{"name": "stable", "weight": 90}, {"name": "canary", "weight": 10}]
        to = {"weighted_clusters": {"clusters": weights}} if self.split else {"cluster": "both"}
        hosts = [
            {"name": "app", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"timeout": "0s", **to}}]}
        ]
        router = {"@type": _ROUTER, "suppress_envoy_headers": True}
        manager = {
            "@type": _MANAGER,
            "stat_prefix": "bench",
            "codec_type": "AUTO",
            "generate_request_id": False,
            "http2_protocol_options": {"max_concurrent_streams": 256, **_WINDOWS},
            "route_config": {"virtual_hosts": hosts},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        }
        if setting.websocket:
            manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
        return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def tls(context, setting):
    if not setting.tls:
        return {}
    pair = {"filename": str(context.certificate.cert)}, {"filename": str(context.certificate.key)}
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{"certificate_chain": pair[0], "private_key": pair[1]}],
    }
    config = {"@type": _TLS, "common_tls_context": common}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": config}}


def cluster(name, backends, setting):
    endpoints = [{"endpoint": {"address": address(port)}, "load_balancing_weight": weight} for port, weight in backends]
    limits = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    cluster = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if setting.upstream_h2:
        options = {"@type": f"type.googleapis.com/{_UPSTREAM_HTTP}"}
        options["explicit_http_config"] = {"http2_protocol_options": _WINDOWS}
        cluster["typed_extension_protocol_options"] = {_UPSTREAM_HTTP: options}
    return cluster
