package runtime

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// RegistryDir holds one directory per registry with a hosts.toml, as containerd's documentation of "registry
// hosts" describes it. containerd reads it at every pull, so that what is changed there needs no restart.
const RegistryDir = nodeapi.StateDir + "/registries"

const (
	// anyRegistry stands for the registries that have no entry of their own, and anyDir is containerd's name for them.
	anyRegistry = "*"
	anyDir      = "_default"

	authorityFile = "ca.crt"
)

// writeRegistries fills dir with what is said of registries. It is on the node's volume, so what was said of others
// before is removed first.
func writeRegistries(dir string, registries []nodeapi.Registry) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	for name, content := range registryFiles(registries) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// registryFiles are the files below [RegistryDir], by their path there.
func registryFiles(registries []nodeapi.Registry) map[string]string {
	files := map[string]string{}
	for _, r := range registries {
		dir := r.Host
		if r.Host == anyRegistry {
			dir = anyDir
		}
		files[dir+"/hosts.toml"] = hostsFile(r)
		if r.CA != "" {
			files[dir+"/"+authorityFile] = r.CA
		}
	}
	return files
}

// hostsFile is containerd's description of a registry: the registry itself comes last, after its mirrors. It is asked
// by https, unless a mirror is the registry's own name with http.
func hostsFile(r nodeapi.Registry) string {
	var server, mirrors strings.Builder
	itself := "https"
	for _, m := range r.Mirrors {
		u, err := url.Parse(m)
		if err != nil {
			continue // refused when the cluster file was read
		}
		if u.Host == r.Host && strings.Trim(u.Path, "/") == "" {
			itself = u.Scheme
			fmt.Fprintf(&server, "server = %q\n", m)
			continue
		}
		fmt.Fprintf(&mirrors, "\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", m)
		if strings.HasPrefix(u.Path, "/v2/") {
			// Where a registry keeps mirrors of others apart by path, below the API's root; containerd would add another.
			mirrors.WriteString("  override_path = true\n")
		}
		mirrors.WriteString(trust(r, u.Scheme, "  "))
	}
	return server.String() + trust(r, itself, "") + mirrors.String()
}

// trust says whose certificates are accepted. With a word about certificates, containerd would try https where it is
// told http.
func trust(r nodeapi.Registry, scheme, indent string) string {
	var b strings.Builder
	if scheme == "https" && r.CA != "" {
		fmt.Fprintf(&b, "%sca = %q\n", indent, authorityFile)
	}
	if scheme == "https" && r.SkipVerify {
		fmt.Fprintf(&b, "%sskip_verify = true\n", indent)
	}
	return b.String()
}
