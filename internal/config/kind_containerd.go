package config

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// containerd imports patches of containerd's configuration. Mirrors of registries become registries; what else is
// for the plugin of containerd 1 is reported, because containerd 2 would not look at it.
func (m *importer) containerd() {
	for i, patch := range m.from.ContainerdConfigPatches {
		m.containerdPatch(fieldPath("containerdConfigPatches").index(i), patch)
	}
	for i := range m.from.ContainerdConfigPatchesJSON6902 {
		m.leave(fieldPath("containerdConfigPatchesJSON6902").index(i), "write it as TOML in containerd.configPatches of a cluster file")
	}
}

func (m *importer) containerdPatch(at fieldPath, patch string) {
	var tree map[string]any
	if err := toml.Unmarshal([]byte(patch), &tree); err != nil {
		where, text := tomlError(m.source.of(at), err)
		m.leaveAt(where, at, "%s", text)
		return
	}
	for _, plugin := range []string{oldPlugin, "io.containerd.cri.v1.images"} {
		registry, _ := lookup(tree, "plugins", plugin, "registry").(map[string]any)
		m.registry(at, registry)
		if registry != nil {
			remove(tree, "plugins", plugin, "registry")
		}
	}
	if old, ok := lookup(tree, "plugins", oldPlugin).(map[string]any); ok {
		for _, key := range keysOf(old) {
			m.leave(at, "%s.%s is of containerd 1: write it for io.containerd.cri.v1.runtime or .images in containerd.configPatches of a cluster file", oldPlugin, key)
		}
		remove(tree, "plugins", oldPlugin)
	}
	for _, own := range ownSettings {
		if lookup(tree, own...) != nil {
			m.leave(at, "Skiff sets %s itself", strings.Join(own, "."))
			remove(tree, own...)
		}
	}
	if len(tree) == 0 {
		return
	}
	rest, err := toml.Marshal(tree)
	if err != nil {
		m.leave(at, "it cannot be written as TOML: %s", err)
		return
	}
	to := &m.to.Containerd
	m.same(fieldPath("containerd.configPatches").index(len(to.ConfigPatches)), at)
	to.ConfigPatches = append(to.ConfigPatches, string(rest))
}

// registry imports mirrors and TLS settings in the form that containerd had before it read folders.
func (m *importer) registry(at fieldPath, registry map[string]any) {
	for _, key := range keysOf(registry) {
		hosts, _ := registry[key].(map[string]any)
		switch key {
		case "config_path":
			m.leave(at, "registries are not configured in a folder of the node: use registries of a cluster file")
		case "mirrors":
			for _, host := range keysOf(hosts) {
				endpoints, _ := lookup(hosts, host, "endpoint").([]any)
				for _, e := range endpoints {
					if url, ok := e.(string); ok {
						r := m.registryOf(at, host)
						r.Mirrors = append(r.Mirrors, url)
					}
				}
			}
		case "configs":
			for _, host := range keysOf(hosts) {
				m.registryConfig(at, host, hosts)
			}
		default:
			m.leave(at, "registry.%s is not what registries of a cluster file have", key)
		}
	}
}

func (m *importer) registryConfig(at fieldPath, host string, hosts map[string]any) {
	config, _ := hosts[host].(map[string]any)
	for _, key := range keysOf(config) {
		settings, _ := config[key].(map[string]any)
		for _, name := range keysOf(settings) {
			if skip, ok := settings[name].(bool); ok && key == "tls" && name == "insecure_skip_verify" {
				if skip {
					m.registryOf(at, host).SkipVerify = true
				}
				continue
			}
			reason := ""
			if name == "ca_file" {
				reason = " (it is a file of the node: give the host's in registries of a cluster file)"
			}
			m.leave(at, "%s.%s of registry %s is not mapped%s", key, name, host, reason)
		}
	}
}

// registryOf returns the entry of a registry, and makes it if there is none.
func (m *importer) registryOf(at fieldPath, host string) *Registry {
	all := &m.to.Registries
	i := slices.IndexFunc(*all, func(r Registry) bool { return r.Host == host })
	if i < 0 {
		i = len(*all)
		*all = append(*all, Registry{Host: host})
		m.same(fieldPath("registries").index(i), at)
	}
	return &(*all)[i]
}

// remove removes what is at the end of a path of keys, and the mappings on the way that are empty then.
func remove(tree map[string]any, keys ...string) {
	if inner, ok := tree[keys[0]].(map[string]any); ok && len(keys) > 1 {
		remove(inner, keys[1:]...)
		if len(inner) > 0 {
			return
		}
	}
	delete(tree, keys[0])
}
