module weir.dev/tests/cluster/keda

go 1.26.0

// Built with the versions of its own go.mod.
require github.com/kedacore/keda/v2 v2.21.0
