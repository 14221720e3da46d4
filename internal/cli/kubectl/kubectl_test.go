package kubectl

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

var creds = &cluster.Credentials{Cluster: "a", Server: "https://127.0.0.1:6443", CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key")}

// TestPoint has a kubeconfig of the user's that selects another cluster; nothing of it may get to this one.
func TestPoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(`{"clusters":[{"name":"w","cluster":{"server":"https://work.example","proxy-url":"http://proxy.example"}}],
		"users":[{"name":"w","user":{"token":"secret"}}],"current-context":"w",
		"contexts":[{"name":"w","context":{"cluster":"w","user":"w","namespace":"web"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", path)
	flags := genericclioptions.NewConfigFlags(true)
	point(flags, creds)
	c, err := flags.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != creds.Server || string(c.CAData) != "ca" || string(c.CertData) != "cert" || string(c.KeyData) != "key" || c.BearerToken != "" || c.Proxy != nil {
		t.Errorf("%+v", c)
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil || namespace != "default" {
		t.Errorf("namespace %q, %v", namespace, err)
	}
}

// TestPointElsewhere keeps the keys from a server that the user names.
func TestPointElsewhere(t *testing.T) {
	flags := genericclioptions.NewConfigFlags(false)
	point(flags, creds)
	*flags.APIServer = "https://work.example"
	c, err := flags.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "https://work.example" || c.CAData != nil || c.CertData != nil || c.KeyData != nil {
		t.Errorf("%+v", c)
	}
}

// TestPointAsAnother lets the user be someone else at this cluster.
func TestPointAsAnother(t *testing.T) {
	flags := genericclioptions.NewConfigFlags(false)
	point(flags, creds)
	*flags.BearerToken = "of-a-service-account"
	c, err := flags.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if string(c.CAData) != "ca" || c.BearerToken != "of-a-service-account" || c.CertData != nil || c.KeyData != nil {
		t.Errorf("%+v", c)
	}
}
