"""The proxies that are measured, each configured as somebody would who means it: connections to backends are kept,
there is one worker, nothing is logged that is not asked for.

Every peer sends a tenth of the requests to the canary. A variant `split` also has numbers per version."""

from .base import Context, Peer, Setting, Started, Unsupported
from .envoy import Envoy
from .floor import Floor
from .haproxy import HAProxy
from .nginx import Nginx
from .pingora import Pingora
from .weir import Weir

__all__ = ["Context", "Peer", "Setting", "Started", "Unsupported", "WEIR", "FLOOR", "SPLICING_FLOOR", "OTHERS"]

WEIR = Weir()
FLOOR = Floor()
SPLICING_FLOOR = Floor(splice=True)
OTHERS = [
    Nginx(),
    Nginx(buffers=True),
    Nginx(split=True),
    # HAProxy counts per server in any case: it has no cheaper variant without.
    HAProxy(),
    HAProxy(buffers=True),
    Envoy(),
    Envoy(split=True),
    Pingora(),
    Pingora(split=True),
]
