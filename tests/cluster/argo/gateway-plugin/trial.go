package main

import (
	"context"
	"fmt"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/weightutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var services = schema.GroupVersionResource{Version: "v1", Resource: "services"}

// trial is what an experiment of a Rollout wants of a rule.
type trial struct {
	// The backends of the experiment that runs; none when none does.
	backends []map[string]any
	// The Services of the last one that ran, which are to leave the rule.
	before map[string]bool
	// The sum of all weights.
	whole int64
}

// trialOf asks for the ports of the Services that the controller names while an experiment runs.
func (r *router) trialOf(ro *v1alpha1.Rollout, wanted []v1alpha1.WeightDestination) (trial, error) {
	found := trial{before: map[string]bool{}, whole: int64(weightutil.MaxTrafficWeight(ro))}
	if weights := ro.Status.Canary.Weights; weights != nil {
		for _, last := range weights.Additional {
			found.before[last.ServiceName] = true
		}
	}
	if ro.Status.Canary.CurrentExperiment == "" {
		return found, nil
	}
	for _, each := range wanted {
		service, err := r.client.Resource(services).Namespace(ro.Namespace).
			Get(context.Background(), each.ServiceName, metav1.GetOptions{})
		if err != nil {
			return found, err
		}
		port, err := portOf(service)
		if err != nil {
			return found, err
		}
		found.backends = append(found.backends, map[string]any{
			"group": "", "kind": "Service", "namespace": ro.Namespace, "name": each.ServiceName,
			"port": port, "weight": int64(each.Weight),
		})
	}
	return found, nil
}

// portOf is the port called http, or the first one.
func portOf(service *unstructured.Unstructured) (any, error) {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, each := range ports {
		if port := each.(map[string]any); port["name"] == "http" {
			return port["port"], nil
		}
	}
	if len(ports) == 0 {
		return nil, fmt.Errorf("Service %s has no port", service.GetName())
	}
	return ports[0].(map[string]any)["port"], nil
}

// divide puts the experiment into a rule whose canary has its weight already. When it is over, all is the stable
// Service's until the next weight.
func (t trial) divide(rule map[string]any, canary, stable string) {
	if len(t.backends) == 0 {
		if takeOut(rule, t.before) {
			setWeight(rule, stable, t.whole)
			setWeight(rule, canary, 0)
		}
		return
	}
	rest := t.whole - backend(rule, canary)["weight"].(int64)
	for _, each := range t.backends {
		rest -= each["weight"].(int64)
		if backend(rule, each["name"].(string)) == nil {
			rule["backendRefs"] = append(rule["backendRefs"].([]any), each)
		}
	}
	setWeight(rule, stable, max(rest, 0))
}

// takeOut removes these Services from a rule; whether one of them was there.
func takeOut(rule map[string]any, services map[string]bool) bool {
	kept := []any{}
	backends := rule["backendRefs"].([]any)
	for _, each := range backends {
		if name, _ := each.(map[string]any)["name"].(string); !services[name] {
			kept = append(kept, each)
		}
	}
	rule["backendRefs"] = kept
	return len(kept) < len(backends)
}
