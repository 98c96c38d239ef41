package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// The label on a route with a canary under way.
const progressLabel = "rollouts.argoproj.io/gatewayapi-canary"

func mark(route *unstructured.Unstructured, inProgress bool) {
	labels := route.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	delete(labels, progressLabel)
	if inProgress {
		labels[progressLabel] = "in-progress"
	}
	if len(labels) == 0 {
		// As the API server has it: an empty map would be a change.
		labels = nil
	}
	route.SetLabels(labels)
}

// rules are those of the route itself: who changes one changes the route.
func rules(route *unstructured.Unstructured) []map[string]any {
	spec, _ := route.Object["spec"].(map[string]any)
	list, _ := spec["rules"].([]any)
	found := make([]map[string]any, 0, len(list))
	for _, rule := range list {
		found = append(found, rule.(map[string]any))
	}
	return found
}

func setRules(route *unstructured.Unstructured, rules []map[string]any) {
	list := make([]any, 0, len(rules))
	for _, rule := range rules {
		list = append(list, rule)
	}
	route.Object["spec"].(map[string]any)["rules"] = list
}

// withBoth are the rules that send to both Services.
func withBoth(rules []map[string]any, one, other string) []map[string]any {
	found := []map[string]any{}
	for _, rule := range rules {
		if backend(rule, one) != nil && backend(rule, other) != nil {
			found = append(found, rule)
		}
	}
	return found
}

func backend(rule map[string]any, service string) map[string]any {
	backends, _ := rule["backendRefs"].([]any)
	for _, each := range backends {
		if ref := each.(map[string]any); ref["name"] == service {
			return ref
		}
	}
	return nil
}

func setWeight(rule map[string]any, service string, weight int64) {
	backends, _ := rule["backendRefs"].([]any)
	for _, each := range backends {
		if ref := each.(map[string]any); ref["name"] == service {
			ref["weight"] = weight
		}
	}
}

// ruleName tells the managed rules of a route apart, since a name may be there once only.
func ruleName(name string, number int) string {
	if number == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, number)
}

// without are the rules but for those with one of these names, numbered or not.
func without(rules []map[string]any, managed map[string]bool) []map[string]any {
	kept := []map[string]any{}
	for _, rule := range rules {
		name, _ := rule["name"].(string)
		if !managed[name] && !managed[unnumbered(name)] {
			kept = append(kept, rule)
		}
	}
	return kept
}

func unnumbered(name string) string {
	at := strings.LastIndex(name, "-")
	if at < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[at+1:]); err != nil {
		return name
	}
	return name[:at]
}

// headerRule is what a source rule says, for those requests alone that have the headers, and to the canary alone.
// Timeouts, retries and sessions of the source stay behind.
func headerRule(source map[string]any, name, canary string, headers []any) map[string]any {
	only := map[string]any{"group": "", "kind": "Service", "name": canary, "weight": int64(1)}
	if port := backend(source, canary)["port"]; port != nil {
		only["port"] = port
	}
	rule := map[string]any{"name": name, "matches": narrowed(source, headers), "backendRefs": []any{only}}
	if filters, there := source["filters"].([]any); there {
		rule["filters"] = runtime.DeepCopyJSONValue(filters)
	}
	return rule
}

// narrowed are the source's matches, each with the headers besides its own.
func narrowed(source map[string]any, headers []any) []any {
	sources, _ := source["matches"].([]any)
	if len(sources) == 0 {
		sources = []any{map[string]any{}}
	}
	matches := []any{}
	for _, each := range sources {
		match := maps.Clone(each.(map[string]any))
		own, _ := match["headers"].([]any)
		match["headers"] = append(append([]any{}, own...), headers...)
		matches = append(matches, match)
	}
	return matches
}

// conditions are the headers of a step as a route writes them: there is no prefix but as a regular expression.
func conditions(wanted *v1alpha1.SetHeaderRoute) ([]any, error) {
	headers := []any{}
	for _, match := range wanted.Match {
		kind, value := "RegularExpression", ""
		switch {
		case match.HeaderValue.Exact != "":
			kind, value = "Exact", match.HeaderValue.Exact
		case match.HeaderValue.Prefix != "":
			value = "^" + regexp.QuoteMeta(match.HeaderValue.Prefix) + ".*"
		case match.HeaderValue.Regex != "":
			value = match.HeaderValue.Regex
		default:
			return nil, errors.New("a header is to have a value that is exact, prefix or regex")
		}
		headers = append(headers, map[string]any{"name": match.HeaderName, "type": kind, "value": value})
	}
	return headers, nil
}
