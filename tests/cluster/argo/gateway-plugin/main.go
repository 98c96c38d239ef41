// gateway-plugin is a traffic router of Argo Rollouts for HTTPRoutes.
//
// It is NOT argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi: where the Go proxy does not serve that module, it
// stands in for it and makes the same writes: GET and UPDATE of the HTTPRoute, the canary's and the stable Service's
// weight in every rule, an UPDATE on each reconcile even when nothing has changed, header rules appended with
// the canary as their only backend, and a weight that counts as verified at once.
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
	goplugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

// The name under which Rollouts ask for the plugin, and the label it puts on a route with a canary under way.
const (
	pluginName    = "argoproj-labs/gatewayAPI"
	progressLabel = "rollouts.argoproj.io/gatewayapi-canary"
)

var httpRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// settings are what a Rollout says under trafficRouting.plugins.
type settings struct {
	HTTPRoute  string `json:"httpRoute"`
	HTTPRoutes []struct {
		Name            string `json:"name"`
		UseHeaderRoutes bool   `json:"useHeaderRoutes"`
	} `json:"httpRoutes"`
	Namespace string `json:"namespace"`
}

type router struct {
	client dynamic.Interface
}

func (r *router) InitPlugin() types.RpcError {
	config, err := rest.InClusterConfig()
	if err != nil {
		return failed(err)
	}
	r.client, err = dynamic.NewForConfig(config)
	return failed(err)
}

func (r *router) SetWeight(ro *v1alpha1.Rollout, weight int32, _ []v1alpha1.WeightDestination) types.RpcError {
	canary, stable := ro.Spec.Strategy.Canary.CanaryService, ro.Spec.Strategy.Canary.StableService
	managed := managedNames(ro)
	return r.update(ro, func(route *unstructured.Unstructured) {
		mark(route, weight > 0)
		for _, rule := range rules(route) {
			if isManaged(rule, managed) {
				continue
			}
			setWeight(rule, canary, int64(weight))
			setWeight(rule, stable, int64(100-weight))
		}
	})
}

func (r *router) SetHeaderRoute(ro *v1alpha1.Rollout, wanted *v1alpha1.SetHeaderRoute) types.RpcError {
	return r.update(ro, func(route *unstructured.Unstructured) {
		kept := without(rules(route), map[string]bool{wanted.Name: true})
		added := []map[string]any{}
		if len(wanted.Match) > 0 {
			added = headerRules(kept, wanted, ro.Spec.Strategy.Canary.CanaryService)
		}
		setRules(route, append(kept, added...))
	})
}

func (r *router) RemoveManagedRoutes(ro *v1alpha1.Rollout) types.RpcError {
	return r.update(ro, func(route *unstructured.Unstructured) {
		setRules(route, without(rules(route), managedNames(ro)))
	})
}

// The real plugin has nothing to verify with either: it reads no status.
func (r *router) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	return types.Verified, types.RpcError{}
}

func (r *router) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (r *router) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{}
}

func (r *router) Type() string { return "GatewayAPI" }

// update reads each route of the Rollout, changes it and writes it back, again when somebody else was faster.
func (r *router) update(ro *v1alpha1.Rollout, change func(*unstructured.Unstructured)) types.RpcError {
	var wanted settings
	if err := json.Unmarshal(ro.Spec.Strategy.Canary.TrafficRouting.Plugins[pluginName], &wanted); err != nil {
		return failed(err)
	}
	names := []string{}
	if wanted.HTTPRoute != "" {
		names = append(names, wanted.HTTPRoute)
	}
	for _, route := range wanted.HTTPRoutes {
		names = append(names, route.Name)
	}
	if wanted.Namespace == "" {
		wanted.Namespace = ro.Namespace
	}
	routes := r.client.Resource(httpRoutes).Namespace(wanted.Namespace)
	for _, name := range names {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			route, err := routes.Get(context.Background(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			change(route)
			_, err = routes.Update(context.Background(), route, metav1.UpdateOptions{})
			return err
		})
		if err != nil {
			return failed(err)
		}
	}
	return types.RpcError{}
}

func mark(route *unstructured.Unstructured, inProgress bool) {
	labels := route.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	delete(labels, progressLabel)
	if inProgress {
		labels[progressLabel] = "in-progress"
	}
	route.SetLabels(labels)
}

func rules(route *unstructured.Unstructured) []map[string]any {
	list, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	found := make([]map[string]any, 0, len(list))
	for _, rule := range list {
		found = append(found, rule.(map[string]any))
	}
	// NestedSlice copies: what is returned here is what the route has from now on.
	setRules(route, found)
	return found
}

func setRules(route *unstructured.Unstructured, rules []map[string]any) {
	list := make([]any, 0, len(rules))
	for _, rule := range rules {
		list = append(list, rule)
	}
	route.Object["spec"].(map[string]any)["rules"] = list
}

func setWeight(rule map[string]any, service string, weight int64) {
	backends, _ := rule["backendRefs"].([]any)
	for _, backend := range backends {
		if ref := backend.(map[string]any); ref["name"] == service {
			ref["weight"] = weight
		}
	}
}

func managedNames(ro *v1alpha1.Rollout) map[string]bool {
	names := map[string]bool{}
	for _, route := range ro.Spec.Strategy.Canary.TrafficRouting.ManagedRoutes {
		names[route.Name] = true
	}
	return names
}

func isManaged(rule map[string]any, managed map[string]bool) bool {
	name, _ := rule["name"].(string)
	return managed[name]
}

func without(rules []map[string]any, managed map[string]bool) []map[string]any {
	kept := []map[string]any{}
	for _, rule := range rules {
		if !isManaged(rule, managed) {
			kept = append(kept, rule)
		}
	}
	return kept
}

// headerRules makes one rule per source rule that has the canary: its matches and the headers, the canary alone.
func headerRules(sources []map[string]any, wanted *v1alpha1.SetHeaderRoute, canary string) []map[string]any {
	added := []map[string]any{}
	for _, source := range sources {
		backends, _ := source["backendRefs"].([]any)
		for _, backend := range backends {
			ref := backend.(map[string]any)
			if ref["name"] != canary {
				continue
			}
			only := map[string]any{"name": canary, "port": ref["port"]}
			added = append(added, map[string]any{
				"name":        wanted.Name,
				"matches":     withHeaders(source, wanted.Match),
				"backendRefs": []any{only},
			})
		}
	}
	return added
}

func withHeaders(source map[string]any, wanted []v1alpha1.HeaderRoutingMatch) []any {
	headers := []any{}
	for _, match := range wanted {
		headers = append(headers, header(match))
	}
	sources, _ := source["matches"].([]any)
	if len(sources) == 0 {
		sources = []any{map[string]any{}}
	}
	matches := []any{}
	for _, each := range sources {
		match := map[string]any{}
		for key, value := range each.(map[string]any) {
			match[key] = value
		}
		own, _ := match["headers"].([]any)
		match["headers"] = append(append([]any{}, own...), headers...)
		matches = append(matches, match)
	}
	return matches
}

func header(match v1alpha1.HeaderRoutingMatch) map[string]any {
	kind, value := "Exact", match.HeaderValue.Exact
	switch {
	case match.HeaderValue.Prefix != "":
		kind, value = "RegularExpression", match.HeaderValue.Prefix+".*"
	case match.HeaderValue.Regex != "":
		kind, value = "RegularExpression", match.HeaderValue.Regex
	}
	return map[string]any{"name": match.HeaderName, "type": kind, "value": value}
}

func failed(err error) types.RpcError {
	if err == nil {
		return types.RpcError{}
	}
	return types.RpcError{ErrorString: fmt.Sprint(err)}
}

func main() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "trafficrouter",
		},
		Plugins: map[string]goplugin.Plugin{
			"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &router{}},
		},
	})
}
