// Package gateway runs the official conformance suite of the Gateway API; ../conformance starts it.
package gateway

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
