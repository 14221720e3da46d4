//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

func TestBundle(t *testing.T) {
	c := Shared(t, "A bundle has every component's log, the objects and Docker's view, and no secret")
	c.CreatePod(c.NewPod("talker", "print", "--lines=3"))
	secrets := []string{"hush-" + randomHex(12), "hush-" + randomHex(12), "hush-" + randomHex(12)}
	c.Kubectl("create", "secret", "generic", "created", "--from-literal=password="+secrets[0])
	c.Step("kubectl apply copies a Secret's value into an annotation; that is no place to find it either")
	c.KubectlInput("apiVersion: v1\nkind: Secret\nmetadata: {name: applied, annotations: {harmless: kept}}\nstringData: {password: "+secrets[1]+"}\n", "apply", "--filename=-")
	c.KubectlInput("apiVersion: v1\nkind: Secret\nmetadata: {name: server-side}\nstringData: {password: "+secrets[2]+"}\n", "apply", "--server-side", "--filename=-")
	token := strings.TrimSpace(c.Kubectl("create", "token", "default"))

	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if out := strings.TrimSpace(c.Skiff("bundle", "--file", file)); out != file {
		t.Errorf("it printed %q", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v, %v", info, err)
	}
	bundle := readBundle(c, file)
	if text := bundle["errors.txt"]; text != "" {
		t.Errorf("errors.txt: %s", text)
	}
	c.hasLogs(bundle)
	for name, word := range map[string]string{
		"cluster.json":                             c.Name,
		"engine.json":                              "apiVersion",
		"engine/container-" + c.Node() + ".json":   `"HostConfig"`,
		"engine/network-skiff-" + c.Name + ".json": `"IPAM"`,
		"engine/volume-" + c.Node() + ".json":      `"Mountpoint"`,
		"nodes/" + c.Node() + "/status.json":       `"components"`,
		"nodes/" + c.Node() + "/output.log":        `"kind":"ready"`,
	} {
		if !strings.Contains(bundle[name], word) {
			t.Errorf("there is no %s in %s, of %v", word, name, names(bundle))
		}
	}
	var objects strings.Builder
	for name, content := range bundle {
		if strings.HasPrefix(name, "objects/") {
			objects.WriteString(content)
		}
	}
	for _, word := range []string{"talker", "harmless", "created", "applied", "server-side", "password", "kind: Node"} {
		if !strings.Contains(objects.String(), word) {
			t.Errorf("the objects have no %q", word)
		}
	}

	c.Step("no file has a value of a Secret, in any form, nor a key, nor a token")
	forbidden := map[string]string{"PRIVATE KEY": "a private key", token: "a token", base64.StdEncoding.EncodeToString([]byte("PRIVATE KEY"))[:12]: "a private key in base64"}
	for _, value := range secrets {
		forbidden[value] = "a Secret's value"
		forbidden[base64.StdEncoding.EncodeToString([]byte(value))] = "a Secret's value in base64"
		forbidden[hex.EncodeToString([]byte(value))] = "a Secret's value in hex"
	}
	for name, content := range bundle {
		for text, what := range forbidden {
			if strings.Contains(content, text) {
				t.Errorf("%s is in %s", what, name)
			}
		}
	}

	c.Step("a file that is there is not overwritten; a pipe gets the same archive")
	c.Fails(c.TrySkiff("bundle", "--file", file), exitUsage, file, "--file")
	if out := c.Skiff("bundle", "--file", "-"); !strings.HasPrefix(out, "\x1f\x8b") {
		t.Errorf("no archive: %q", clip(out))
	}
}

// hasLogs checks that each component has its log in a bundle, and its last lines in the status.
func (c *Cluster) hasLogs(bundle map[string]string) {
	c.Helper()
	var status cluster.Status
	c.SkiffJSON(&status, "status")
	for _, component := range status.Nodes[0].Report.Components {
		log := bundle["nodes/"+c.Node()+"/log/"+component.Name+".log"]
		// The process that hosts the others has nothing to say while they do.
		if log == "" || len(component.LastLog) == 0 && component.Name != "kubernetes" {
			c.Errorf("%s: a log of %d bytes, %d last lines, in %v", component.Name, len(log), len(component.LastLog), names(bundle))
		}
	}
}

func TestBundleOfAStoppedCluster(t *testing.T) {
	c := Own(t, 1, "A bundle can be had of a cluster that does not run, and says what it has not").NewCluster("")
	c.Create()
	c.Docker("stop", c.Node())
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	c.Skiff("bundle", "--file", file)
	bundle := readBundle(c, file)
	if !strings.Contains(bundle["errors.txt"], "objects") {
		t.Errorf("errors.txt: %q", bundle["errors.txt"])
	}
	for _, part := range []string{"output.log", "log/kubelet.log", "log/containerd.log"} {
		if _, there := bundle["nodes/"+c.Node()+"/"+part]; !there {
			t.Errorf("there is no %s in %v", part, names(bundle))
		}
	}
}
