package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// Credentials reads the administrator's credentials from a server's volume. The cluster need not run.
func (s *Service) Credentials(ctx context.Context, name string) (*Credentials, error) {
	c, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.credentials(ctx, c)
}

func (s *Service) credentials(ctx context.Context, c *Cluster) (*Credentials, error) {
	refuse := func(cause error) error {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s has no credentials yet", c.Name), Cause: cause,
			Hint: fmt.Sprintf("Its creation did not finish: run 'skiff delete %s', then 'skiff create %s'.", c.Name, c.Name)}
	}
	server := c.server()
	if err := cmp.Or(c.serverless(), c.withoutEdge()); err != nil {
		return nil, err
	}
	if server == "" || c.Endpoint == "" {
		return nil, refuse(errors.New("it has no server"))
	}
	creds := &Credentials{Cluster: c.Name, Server: c.Endpoint}
	group, ctx := errgroup.WithContext(ctx)
	for file, to := range map[string]*[]byte{pki.CACert: &creds.CA, pki.AdminCert: &creds.ClientCert, pki.AdminKey: &creds.ClientKey} {
		group.Go(func() (err error) {
			*to, err = s.readFile(ctx, server, path.Join(nodeapi.PKIDir, file))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return nil, refuse(err)
		}
		return nil, err
	}
	return creds, nil
}

// server is the first server that runs, the first of all if none does, "" if there is none.
func (c *Cluster) server() string {
	first := ""
	for _, n := range c.Nodes {
		if n.Role != nodeapi.RoleServer {
			continue
		}
		if n.State == NodeRunning {
			return n.Name
		}
		first = orElse(first, n.Name)
	}
	return first
}

// readFile reads a file of a container, running or not.
func (s *Service) readFile(ctx context.Context, container, file string) ([]byte, error) {
	r, err := s.Engine.CopyFrom(ctx, container, file)
	if err != nil {
		return nil, err
	}
	content, err := firstFile(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", file, container, err)
	}
	return content, nil
}
