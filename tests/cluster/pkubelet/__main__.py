"""python3 -m pkubelet: the cluster script starts it."""

import argparse

from . import __doc__ as description
from .kubelet import Kubelet


def options():
    parser = argparse.ArgumentParser(
        prog="pkubelet", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--state", required=True, help="folder for the pods' files")
    parser.add_argument("--images", required=True, help="JSON: pattern of an image's name -> command, args, env, workingDir")
    parser.add_argument("--bin", required=True, help="folder that all containers see as /.bin")
    parser.add_argument("--tls-cert", required=True)
    parser.add_argument("--tls-key", required=True)
    parser.add_argument("--host-ip", default="10.244.0.1")
    parser.add_argument("--start-delay", type=float, default=0, help="seconds before each pod's containers start")
    parser.add_argument("--crash-backoff", type=float, default=10, help="first pause of a crash loop; it doubles")
    parser.add_argument("--tick", type=float, default=0.1, help="seconds between two looks at a pod")
    return parser.parse_args()


Kubelet(options()).run()
