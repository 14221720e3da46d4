// Package kubeconfig adds a cluster's entry to a user's kubeconfig files and removes it. The files belong to the
// user and to every other tool that writes there, so nothing but the entry changes: a file is edited as a YAML
// tree, in which fields that this program does not know, comments and order stay, and is written only if what
// Kubernetes' own client reads in it afterwards is what it read before plus or minus the entry.
//
// Where things are: files.go finds the files and decides which one holds what, content.go edits what one file
// says, tree.go is YAML, lock.go keeps other writers out, write.go replaces a file.
package kubeconfig

import (
	"context"
	"errors"
	"slices"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Entry is a context together with its cluster and its user, all three of one name.
type Entry struct {
	Name   string
	Server string // URL of the API
	// CA is the certificate that the server's is signed with, ClientCert and ClientKey the user's; PEM. They are
	// embedded, so that the entry depends on no other file.
	CA, ClientCert, ClientKey []byte
}

// config is a kubeconfig of nothing but the entry, selected.
func (e Entry) config() *api.Config {
	c := api.NewConfig()
	c.Clusters[e.Name] = &api.Cluster{Server: e.Server, CertificateAuthorityData: e.CA}
	c.AuthInfos[e.Name] = &api.AuthInfo{ClientCertificateData: e.ClientCert, ClientKeyData: e.ClientKey}
	c.Contexts[e.Name] = &api.Context{Cluster: e.Name, AuthInfo: e.Name}
	c.CurrentContext = e.Name
	return c
}

// Render returns a kubeconfig of nothing but the entry, as YAML.
func Render(e Entry) ([]byte, error) { return clientcmd.Write(*e.config()) }

// Check says if Merge would succeed, as far as that can be known without doing it: every file can be read and
// understood, and the one that would be written can be. It changes nothing.
func (f Files) Check(ctx context.Context) (err error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	docs, err := f.read()
	if err != nil {
		return err
	}
	return f.writable(docs[f.standard(docs)])
}

// Merge writes an entry and selects its context. An entry of that name is replaced where it is; of its context,
// the namespace and whatever else the user has set there stay. It says if anything had to be written.
func (f Files) Merge(ctx context.Context, e Entry) (changed bool, err error) {
	rendered, err := Render(e)
	if err != nil {
		return false, err
	}
	source, err := parse(rendered)
	if err != nil {
		return false, err
	}
	return f.edit(ctx, e.Name, true, func(docs []*document) {
		standard := docs[f.standard(docs)]
		for _, s := range sections {
			d := standard
			if i := slices.IndexFunc(docs, func(d *document) bool { return d.find(s, e.Name) >= 0 }); i >= 0 {
				d = docs[i]
			}
			d.put(s, e.Name, source.items(s)[0])
		}
		standard.selectContext(e.Name)
	})
}

// Has says if one of the files has a context of that name.
func (f Files) Has(name string) (bool, error) {
	docs, err := f.read()
	return slices.ContainsFunc(docs, func(d *document) bool { return d.find(contexts, name) >= 0 }), err
}

// Remove removes a context from all files, and the cluster and the user of the same name unless another context
// uses them. If the context is selected, none is selected afterwards. It says if there was anything to remove.
func (f Files) Remove(ctx context.Context, name string) (changed bool, err error) {
	return f.edit(ctx, name, false, func(docs []*document) {
		clusterUsed, userUsed := false, false
		for _, d := range docs {
			for key, c := range d.config.Contexts {
				clusterUsed = clusterUsed || key != name && c.Cluster == name
				userUsed = userUsed || key != name && c.AuthInfo == name
			}
		}
		for _, d := range docs {
			d.drop(contexts, name)
			if !clusterUsed {
				d.drop(clusters, name)
			}
			if !userUsed {
				d.drop(users, name)
			}
			if d.config.CurrentContext == name {
				d.selectContext("")
			}
		}
	})
}

// edit lets change edit the entry of that name under lock, and writes the files that differ then. All of them are
// rendered and checked before the first is written.
func (f Files) edit(ctx context.Context, name string, create bool, change func([]*document)) (changed bool, err error) {
	if create {
		if err := f.makeDir(); err != nil {
			return false, err
		}
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	docs, err := f.read()
	if err != nil {
		return false, err
	}
	change(docs)
	type write struct {
		d       *document
		content []byte
	}
	var writes []write
	for _, d := range docs {
		content, err := d.render(name)
		if err != nil {
			return false, invalid(d.path, err)
		}
		if content == nil {
			continue
		}
		if err := f.writable(d); err != nil {
			return false, err
		}
		writes = append(writes, write{d, content})
	}
	// The file that selects the context comes first in the list and is written last: until then the old
	// selection holds.
	slices.Reverse(writes)
	for _, w := range writes {
		if err := replace(w.d.path, w.content); err != nil {
			return false, readOnly(w.d.path, err)
		}
	}
	return len(writes) > 0, nil
}
