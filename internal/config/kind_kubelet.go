package config

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// kubeletField is a flag of the kubelet that does what a field of its configuration does.
type kubeletField struct {
	flag string
	kind fieldKind
	// zeroIsDefault is true for a number that counts as not given if it is 0, which for the flag it does not. Durations and
	// texts are all so.
	zeroIsDefault bool
}

// fieldKind is what a field holds.
type fieldKind string

const (
	number   fieldKind = "a number"
	boolean  fieldKind = "true or false"
	duration fieldKind = "a duration"
	text     fieldKind = "a text"
	list     fieldKind = "a list of texts"
	mapping  fieldKind = "a mapping of texts"
)

// kubeletFields are fields of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1, whose defaults say what zero is). Some
// are flags that Skiff sets itself; they are here for the reason.
var kubeletFields = map[string]kubeletField{
	"allowedUnsafeSysctls":             {flag: "allowed-unsafe-sysctls", kind: list},
	"cgroupDriver":                     {flag: "cgroup-driver", kind: text},
	"clusterDNS":                       {flag: "cluster-dns", kind: list},
	"clusterDomain":                    {flag: "cluster-domain", kind: text},
	"containerLogMaxFiles":             {flag: "container-log-max-files", kind: number},
	"containerLogMaxSize":              {flag: "container-log-max-size", kind: text},
	"cpuCFSQuota":                      {flag: "cpu-cfs-quota", kind: boolean},
	"cpuManagerPolicy":                 {flag: "cpu-manager-policy", kind: text},
	"eventBurst":                       {flag: "event-burst", kind: number, zeroIsDefault: true},
	"eventRecordQPS":                   {flag: "event-qps", kind: number},
	"evictionHard":                     {flag: "eviction-hard", kind: mapping},
	"evictionMaxPodGracePeriod":        {flag: "eviction-max-pod-grace-period", kind: number},
	"evictionMinimumReclaim":           {flag: "eviction-minimum-reclaim", kind: mapping},
	"evictionPressureTransitionPeriod": {flag: "eviction-pressure-transition-period", kind: duration},
	"evictionSoft":                     {flag: "eviction-soft", kind: mapping},
	"evictionSoftGracePeriod":          {flag: "eviction-soft-grace-period", kind: mapping},
	"failSwapOn":                       {flag: "fail-swap-on", kind: boolean},
	"featureGates":                     {flag: "feature-gates", kind: mapping},
	"imageGCHighThresholdPercent":      {flag: "image-gc-high-threshold", kind: number},
	"imageGCLowThresholdPercent":       {flag: "image-gc-low-threshold", kind: number},
	"kubeAPIBurst":                     {flag: "kube-api-burst", kind: number, zeroIsDefault: true},
	"kubeAPIQPS":                       {flag: "kube-api-qps", kind: number},
	"kubeReserved":                     {flag: "kube-reserved", kind: mapping},
	"maxPods":                          {flag: "max-pods", kind: number, zeroIsDefault: true},
	"nodeStatusMaxImages":              {flag: "node-status-max-images", kind: number},
	"podPidsLimit":                     {flag: "pod-max-pids", kind: number},
	"podsPerCore":                      {flag: "pods-per-core", kind: number},
	"registryBurst":                    {flag: "registry-burst", kind: number, zeroIsDefault: true},
	"registryPullQPS":                  {flag: "registry-qps", kind: number},
	"reservedSystemCPUs":               {flag: "reserved-cpus", kind: text},
	"resolvConf":                       {flag: "resolv-conf", kind: text},
	"serializeImagePulls":              {flag: "serialize-image-pulls", kind: boolean},
	"streamingConnectionIdleTimeout":   {flag: "streaming-connection-idle-timeout", kind: duration},
	"syncFrequency":                    {flag: "sync-frequency", kind: duration},
	"systemReserved":                   {flag: "system-reserved", kind: mapping},
	"topologyManagerPolicy":            {flag: "topology-manager-policy", kind: text},
	"topologyManagerScope":             {flag: "topology-manager-scope", kind: text},
}

// kubelet imports a field of the kubelet's configuration as a flag.
func (d *kubeadmDoc) kubelet(e element) {
	field, known := kubeletFields[e.name]
	if !known && isUnset(e.value) {
		return
	}
	if !known {
		d.skip(e, "if the kubelet has a flag for it, use kubernetes.extraArgs.kubelet of a cluster file")
		return
	}
	value, ok := field.value(e.value)
	switch {
	case isNull(e.value), ok && value == "": // the same as not given
	case !ok:
		d.skip(e, "it must be "+string(field.kind))
	default:
		d.kubeletFlag(element{field.flag, e.path, e.line, &yaml.Node{Kind: yaml.ScalarNode, Value: value}})
	}
}

// isUnset is true for a value that says nothing, whatever field it is of: kubeadm prints all fields of a configuration.
func isUnset(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return isNull(n) || n.Value == "" || n.Value == "0s" || n.Value == "0"
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if !isUnset(follow(n.Content[i])) {
				return false
			}
		}
		return true
	}
	return len(n.Content) == 0
}

// value is a field's value as the flag takes it, "" if it counts as not given: a list as "a,b", a mapping as "a=b,c=d", and
// one of thresholds of eviction as "a<b,c<d". It is false for a value of another kind.
func (f kubeletField) value(n *yaml.Node) (string, bool) {
	switch f.kind {
	case number:
		if f.zeroIsDefault && n.Value == "0" {
			return "", n.ShortTag() == "!!int"
		}
		return n.Value, n.ShortTag() == "!!int"
	case boolean:
		return n.Value, n.ShortTag() == "!!bool"
	case duration:
		d, err := time.ParseDuration(n.Value)
		if d == 0 {
			return "", err == nil
		}
		return n.Value, err == nil
	case text:
		return n.Value, n.Kind == yaml.ScalarNode
	case list:
		parts, ok := scalars(n)
		return strings.Join(parts, ","), ok && n.Kind == yaml.SequenceNode
	}
	between := "="
	if f.flag == "eviction-hard" || f.flag == "eviction-soft" {
		between = "<"
	}
	parts, ok := scalars(n)
	var pairs []string
	for pair := range slices.Chunk(parts, 2) {
		pairs = append(pairs, strings.Join(pair, between))
	}
	return strings.Join(pairs, ","), ok && n.Kind == yaml.MappingNode
}

// scalars are the entries of a list, or the keys and values of a mapping. It is false if one of them is no single value.
func scalars(n *yaml.Node) ([]string, bool) {
	var out []string
	for _, entry := range n.Content {
		entry = follow(entry)
		if entry.Kind != yaml.ScalarNode || isNull(entry) {
			return nil, false
		}
		out = append(out, entry.Value)
	}
	return out, true
}
