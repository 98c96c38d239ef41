module weir.dev/tests/cluster/prometheus-adapter

go 1.26.0

// Built with the versions of its own go.mod.
require sigs.k8s.io/prometheus-adapter v0.12.0
