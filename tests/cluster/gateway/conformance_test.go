// Package gateway runs the official conformance suite of the Gateway API; ../conformance starts it.
package gateway

import (
	"flag"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/yaml"
)

// One test after the other: v1.6.1 writes its report before those that run in parallel have ended, and says that they
// passed. Later versions have a flag for it.
func TestConformance(t *testing.T) {
	for i := range tests.ConformanceTests {
		tests.ConformanceTests[i].Parallel = false
	}
	conformance.RunConformance(t)
	if report := flag.Lookup("report-output").Value.String(); report != "" {
		writeJSON(t, report)
	}
}

// writeJSON puts the report as JSON beside the one in YAML, for jq.
func writeJSON(t *testing.T, report string) {
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(report, ".yaml")+".json", json, 0o644); err != nil {
		t.Fatal(err)
	}
}
