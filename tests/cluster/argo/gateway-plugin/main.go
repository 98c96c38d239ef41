// gateway-plugin is a traffic router of Argo Rollouts for HTTPRoutes and GRPCRoutes.
//
// It is NOT argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi: where the Go proxy does not serve that module, it
// stands in for it and makes the same writes, GET and UPDATE of a route each:
//
//   - weights go into every rule that has both the canary and the stable Service; what has only one of them is its
//     user's; nothing is written when nothing has changed;
//   - a label tells others that a canary is under way;
//   - a header step adds a rule for each of those rules, called NAME, NAME-1, NAME-2…, to the routes that take header
//     rules; a header step without matches takes all managed rules away;
//   - an experiment's Services join the rules of an HTTPRoute for as long as it runs, and the stable one has the rest;
//   - a weight counts as verified at once, and mirror steps do nothing.
//
// TCPRoutes, TLSRoutes and routes found by labels are the real one's alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
	"github.com/argoproj/argo-rollouts/utils/weightutil"
	goplugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

// The name under which Rollouts ask for the plugin.
const pluginName = "argoproj-labs/gatewayAPI"

// settings are what a Rollout says under trafficRouting.plugins. A route that is named alone takes header rules.
type settings struct {
	HTTPRoute  string     `json:"httpRoute"`
	HTTPRoutes []routeRef `json:"httpRoutes"`
	GRPCRoute  string     `json:"grpcRoute"`
	GRPCRoutes []routeRef `json:"grpcRoutes"`
	Namespace  string     `json:"namespace"`
}

type routeRef struct {
	Name            string `json:"name"`
	UseHeaderRoutes bool   `json:"useHeaderRoutes"`
	resource        string
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

func (r *router) SetWeight(ro *v1alpha1.Rollout, weight int32, more []v1alpha1.WeightDestination) types.RpcError {
	stable, canary := trafficrouting.GetStableAndCanaryServices(ro, true)
	rest := weightutil.MaxTrafficWeight(ro) - weight
	trial, err := r.trialOf(ro, more)
	if err != nil {
		return failed(err)
	}
	return r.update(ro, all, func(route *unstructured.Unstructured) error {
		divided := withBoth(rules(route), canary, stable)
		if len(divided) == 0 {
			return fmt.Errorf("no rule of %s %s has both %s and %s", route.GetKind(), route.GetName(), canary, stable)
		}
		for _, rule := range divided {
			setWeight(rule, canary, int64(weight))
			setWeight(rule, stable, int64(rest))
			if route.GetKind() == "HTTPRoute" {
				trial.divide(rule, canary, stable)
			}
		}
		mark(route, weight > 0)
		return nil
	})
}

func (r *router) SetHeaderRoute(ro *v1alpha1.Rollout, wanted *v1alpha1.SetHeaderRoute) types.RpcError {
	if len(wanted.Match) == 0 {
		return r.RemoveManagedRoutes(ro)
	}
	headers, err := conditions(wanted)
	if err != nil {
		return failed(err)
	}
	stable, canary := trafficrouting.GetStableAndCanaryServices(ro, true)
	return r.update(ro, withHeaders, func(route *unstructured.Unstructured) error {
		kept := without(rules(route), map[string]bool{wanted.Name: true})
		sources := withBoth(kept, canary, stable)
		if len(sources) == 0 {
			return fmt.Errorf("no rule of %s %s has both %s and %s", route.GetKind(), route.GetName(), canary, stable)
		}
		for number, source := range sources {
			kept = append(kept, headerRule(source, ruleName(wanted.Name, number), canary, headers))
		}
		setRules(route, kept)
		return nil
	})
}

func (r *router) RemoveManagedRoutes(ro *v1alpha1.Rollout) types.RpcError {
	managed := map[string]bool{}
	for _, route := range ro.Spec.Strategy.Canary.TrafficRouting.ManagedRoutes {
		managed[route.Name] = true
	}
	return r.update(ro, withHeaders, func(route *unstructured.Unstructured) error {
		if kept := without(rules(route), managed); len(kept) < len(rules(route)) {
			setRules(route, kept)
		}
		return nil
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

// Which of a Rollout's routes are meant.
func all(routeRef) bool               { return true }
func withHeaders(route routeRef) bool { return route.UseHeaderRoutes }

// update reads each of these routes, changes it and writes it back if it is another now, again when somebody else was
// faster.
func (r *router) update(
	ro *v1alpha1.Rollout, meant func(routeRef) bool, change func(*unstructured.Unstructured) error,
) types.RpcError {
	refs, namespace, err := routes(ro)
	if err != nil {
		return failed(err)
	}
	for _, ref := range refs {
		if !meant(ref) {
			continue
		}
		resource := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: ref.resource}
		client := r.client.Resource(resource).Namespace(namespace)
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			route, err := client.Get(context.Background(), ref.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			before := route.DeepCopy()
			if err := change(route); err != nil || reflect.DeepEqual(before.Object, route.Object) {
				return err
			}
			_, err = client.Update(context.Background(), route, metav1.UpdateOptions{})
			return err
		})
		if err != nil {
			return failed(err)
		}
	}
	return types.RpcError{}
}

// routes are those that a Rollout names, and their namespace.
func routes(ro *v1alpha1.Rollout) ([]routeRef, string, error) {
	var wanted settings
	if err := json.Unmarshal(ro.Spec.Strategy.Canary.TrafficRouting.Plugins[pluginName], &wanted); err != nil {
		return nil, "", err
	}
	refs := named("httproutes", wanted.HTTPRoutes, wanted.HTTPRoute)
	refs = append(refs, named("grpcroutes", wanted.GRPCRoutes, wanted.GRPCRoute)...)
	if len(refs) == 0 {
		return nil, "", fmt.Errorf("the Rollout names no route under %s", pluginName)
	}
	if wanted.Namespace == "" {
		wanted.Namespace = ro.Namespace
	}
	return refs, wanted.Namespace, nil
}

func named(resource string, list []routeRef, alone string) []routeRef {
	if alone != "" {
		list = append(list, routeRef{Name: alone, UseHeaderRoutes: true})
	}
	for number := range list {
		list[number].resource = resource
	}
	return list
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
