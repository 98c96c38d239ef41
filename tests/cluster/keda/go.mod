module weir.dev/tests/cluster/keda

go 1.26.0

// Only its definitions are used: config/crd/bases.
require github.com/kedacore/keda/v2 v2.21.0
