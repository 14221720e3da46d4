package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeletFlags are the kubelet's flags of fields of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1).
var kubeletFlags = map[string]string{
	"allowedUnsafeSysctls":             "allowed-unsafe-sysctls",
	"containerLogMaxFiles":             "container-log-max-files",
	"containerLogMaxSize":              "container-log-max-size",
	"cpuCFSQuota":                      "cpu-cfs-quota",
	"cpuManagerPolicy":                 "cpu-manager-policy",
	"eventBurst":                       "event-burst",
	"eventRecordQPS":                   "event-qps",
	"evictionHard":                     "eviction-hard",
	"evictionMaxPodGracePeriod":        "eviction-max-pod-grace-period",
	"evictionMinimumReclaim":           "eviction-minimum-reclaim",
	"evictionPressureTransitionPeriod": "eviction-pressure-transition-period",
	"evictionSoft":                     "eviction-soft",
	"evictionSoftGracePeriod":          "eviction-soft-grace-period",
	"imageGCHighThresholdPercent":      "image-gc-high-threshold",
	"imageGCLowThresholdPercent":       "image-gc-low-threshold",
	"kubeAPIBurst":                     "kube-api-burst",
	"kubeAPIQPS":                       "kube-api-qps",
	"kubeReserved":                     "kube-reserved",
	"maxPods":                          "max-pods",
	"memoryManagerPolicy":              "memory-manager-policy",
	"nodeStatusMaxImages":              "node-status-max-images",
	"podPidsLimit":                     "pod-max-pids",
	"podsPerCore":                      "pods-per-core",
	"registryBurst":                    "registry-burst",
	"registryPullQPS":                  "registry-qps",
	"serializeImagePulls":              "serialize-image-pulls",
	"streamingConnectionIdleTimeout":   "streaming-connection-idle-timeout",
	"syncFrequency":                    "sync-frequency",
	"systemReserved":                   "system-reserved",
	"topologyManagerPolicy":            "topology-manager-policy",
	"topologyManagerScope":             "topology-manager-scope",
}

// kubelet imports a field of the kubelet's configuration as the flag that does the same.
func (d *kubeadmDoc) kubelet(e element) {
	flag, known := kubeletFlags[e.name]
	if !known {
		d.skip(e, "if the kubelet has a flag for it, use kubernetes.extraArgs.kubelet of a cluster file")
		return
	}
	text, ok := flagValue(flag, e.value)
	if !ok {
		d.skip(e, "its value is not of the kind that the kubelet's flag "+flag+" takes")
		return
	}
	d.kubeletFlag(element{flag, e.path, e.line, &yaml.Node{Kind: yaml.ScalarNode, Value: text}})
}

// flagValue is a value as a flag of the kubelet takes it: a list as "a,b", a mapping as "a=b,c=d", and one of thresholds
// of eviction as "a<b,c<d". It is false for a value of values.
func flagValue(flag string, value *yaml.Node) (string, bool) {
	var parts []string
	if value.Kind == yaml.ScalarNode {
		return value.Value, !isNull(value)
	}
	for _, n := range value.Content {
		n = follow(n)
		if n.Kind != yaml.ScalarNode || isNull(n) {
			return "", false
		}
		parts = append(parts, n.Value)
	}
	if value.Kind == yaml.MappingNode {
		between := "="
		if flag == "eviction-hard" || flag == "eviction-soft" {
			between = "<"
		}
		pairs := parts
		parts = nil
		for pair := range slices.Chunk(pairs, 2) {
			parts = append(parts, strings.Join(pair, between))
		}
	}
	return strings.Join(parts, ","), true
}
