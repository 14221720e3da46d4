package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

const (
	minNotReadyAfter, maxNotReadyAfter = 4 * time.Second, time.Hour
	maxEvictAfter                      = 24 * time.Hour
)

// validator collects what is wrong with a complete cluster.
type validator struct {
	*Cluster
	problems problems
}

func (c *Cluster) validate() problems {
	v := &validator{Cluster: c}
	v.validateMetadata()
	v.validateKubernetes()
	v.validateAPI()
	v.validateNetwork()
	v.validateNodes()
	v.validatePorts()
	v.validateRegistries()
	v.validateContainerd()
	v.validateManifests()
	return v.problems
}

func (v *validator) refuse(p fieldPath, format string, args ...any) {
	v.problems.add(v.places.of(p), format, args...)
}

// oneOf refuses a value that is none of a few.
func oneOf[T ~string](v *validator, p fieldPath, value T, allowed ...T) bool {
	var names []string
	for _, a := range allowed {
		if value == a {
			return true
		}
		names = append(names, string(a))
	}
	last := len(names) - 1
	choice := strings.Join(names[:last], ", ") + " or " + names[last]
	if value == "" {
		v.refuse(p, "is missing: it must be %s", choice)
	} else {
		v.refuse(p, "must be %s, not %q", choice, value)
	}
	return false
}

func (v *validator) validateMetadata() {
	if v.APIVersion != APIVersion {
		v.refuse("apiVersion", "must be %q", APIVersion)
	}
	if v.Kind != Kind {
		v.refuse("kind", "must be %q", Kind)
	}
	name := v.Metadata.Name
	if name != "" && (len(name) > cluster.MaxName || len(validation.IsDNS1123Label(name)) > 0) {
		v.refuse("metadata.name", "%q cannot be the name of a cluster: a name has at most %d characters, lower-case letters, digits and '-', with a letter or digit at both ends", name, cluster.MaxName)
	}
}

var (
	gateName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)
	runtimeName = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*(/[a-z0-9]+){0,2}$`)
)

func (v *validator) validateKubernetes() {
	k, at := &v.Kubernetes, fieldPath("kubernetes")
	if strings.ContainsAny(k.Image, " \t\n") {
		v.refuse(at.field("image"), "%q is not the name of an image", k.Image)
	}
	for name := range k.FeatureGates {
		if !gateName.MatchString(name) {
			v.refuse(at.field("featureGates").key(name), "%q is not the name of a feature gate, which has letters and digits only", name)
		}
	}
	for name, value := range k.RuntimeConfig {
		p := at.field("runtimeConfig").key(name)
		if !runtimeName.MatchString(name) {
			v.refuse(p, "%q is not an API: write it as api/all, api/alpha or GROUP/VERSION", name)
		}
		if value != "true" && value != "false" {
			v.refuse(p, "must be true or false, not %q", value)
		}
	}
	for component, args := range k.ExtraArgs.byComponent() {
		for name := range *args {
			if reason := refuseFlag(component, name); reason != "" {
				v.refuse(at.field("extraArgs").field(component).key(name), "%s", reason)
			}
		}
	}
	v.validateNodeFailure(at.field("nodeFailure"))
}

func (v *validator) validateNodeFailure(at fieldPath) {
	f := &v.Kubernetes.NodeFailure
	if !oneOf(v, at.field("preset"), f.Preset, PresetLaptop, PresetUpstream) {
		return
	}
	if d := f.NotReadyAfter.Duration; d < minNotReadyAfter || d > maxNotReadyAfter {
		v.refuse(at.field("notReadyAfter"), "must be from %s to %s, not %s: nodes report every few seconds", short(minNotReadyAfter), short(maxNotReadyAfter), short(d))
	}
	if d := f.EvictAfter.Duration; d < 0 || d > maxEvictAfter || d%time.Second != 0 {
		v.refuse(at.field("evictAfter"), "must be whole seconds from 0s to %s, not %s", short(maxEvictAfter), short(d))
	}
}

// short writes 1h0m0s as people do.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (v *validator) validateAPI() {
	v.hostAddress("api.address", v.API.Address)
	if v.API.Port < 0 || v.API.Port > 65535 {
		v.refuse("api.port", "must be from 1 to 65535, or 0 for one that Skiff chooses, not %d", v.API.Port)
	}
}

// hostAddress refuses what is not an address of Docker's host to publish something on.
func (v *validator) hostAddress(p fieldPath, s string) {
	if _, err := parseHostAddress(s); err != nil {
		v.refuse(p, "%s", err)
	}
}

func parseHostAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return addr, fmt.Errorf("%q is not an IP address of Docker's host: 127.0.0.1 is this machine only, 0.0.0.0 all of its addresses", s)
	}
	return addr.Unmap(), nil
}
