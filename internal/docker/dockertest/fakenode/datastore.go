package fakenode

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// membersPath is the datastore's list of members as JSON. Every member has the same on its volume.
var membersPath = path.Join(nodeapi.EtcdDir, "members.json")

// changing is held by whoever reads the list to change it: a real datastore agrees on one change at a time too.
var changing sync.Mutex

// joinDatastore is a server's start: the first servers of a cluster begin a datastore, one that was added must have been
// announced, and one that was removed has no way back.
func joinDatastore(p *dockertest.Process, config nodeapi.Config) error {
	changing.Lock()
	defer changing.Unlock()
	list, err := readMembers(p)
	first := list == nil
	switch {
	case err != nil:
		return err
	case first && !config.Join:
		for _, name := range config.Servers {
			list = append(list, nodeapi.Member{Name: name, Leader: name == config.Servers[0]})
		}
		return writeMembers(p, list, config.Node)
	case first:
		for _, other := range config.Servers {
			if list, err = readMembersOf(p.Engine(), other); err == nil && list != nil {
				break
			}
		}
	}
	at := slices.IndexFunc(list, func(m nodeapi.Member) bool { return m.Name == config.Node })
	if at < 0 {
		return fmt.Errorf("%s is no member of the datastore", config.Node)
	}
	if first && !list[at].Learner {
		return fmt.Errorf("%s has a vote in the datastore, and has lost its data", config.Node)
	}
	list[at].Learner = false
	return writeMembers(p, list, names(list)...)
}

// awaitMajority returns when a majority of the members with a vote runs: a real datastore agrees on nothing before.
func awaitMajority(ctx context.Context, p *dockertest.Process) error {
	for {
		list, err := readMembers(p)
		if err != nil {
			return err
		}
		votes, run := 0, 0
		for _, m := range list {
			if !m.Learner {
				votes++
			}
			if !m.Learner && p.Engine().Runs(m.Name) {
				run++
			}
		}
		if run > votes/2 || len(list) == 0 {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// member is `skiff-node member`, which only a server can answer.
func member(ctx context.Context, p *dockertest.Process, args []string) ([]nodeapi.Member, error) {
	if len(args) == 2 {
		if err := awaitMajority(ctx, p); err != nil {
			return nil, err
		}
	}
	changing.Lock()
	defer changing.Unlock()
	list, err := readMembers(p)
	if err != nil {
		return nil, err
	}
	if list == nil {
		return nil, fmt.Errorf("the datastore does not answer")
	}
	switch {
	case len(args) == 1 && args[0] == "list":
		return list, nil
	case len(args) == 2 && args[0] == "add":
		// One of that name has lost its data: whoever is announced has an empty volume.
		list = slices.DeleteFunc(list, func(m nodeapi.Member) bool { return m.Name == args[1] })
		if slices.ContainsFunc(list, func(m nodeapi.Member) bool { return m.Learner }) {
			return nil, fmt.Errorf("the datastore refuses: too many learner members in cluster")
		}
		list = append(list, nodeapi.Member{Name: args[1], Learner: true})
		return list, writeMembers(p, list, names(list)...)
	case len(args) == 2 && args[0] == "remove":
		before := names(list)
		list = slices.DeleteFunc(list, func(m nodeapi.Member) bool { return m.Name == args[1] })
		return list, writeMembers(p, list, before...)
	}
	return nil, fmt.Errorf("usage: skiff-node member has no command %q", args)
}

func names(list []nodeapi.Member) []string {
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

func readMembers(p *dockertest.Process) ([]nodeapi.Member, error) {
	return readMembersOf(p.Engine(), p.Name)
}

// readMembersOf reads the list that a server has, nil if it has none yet.
func readMembersOf(e *dockertest.Engine, server string) ([]nodeapi.Member, error) {
	content, err := e.ReadFile(server, membersPath)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []nodeapi.Member
	return list, json.Unmarshal(content, &list)
}

// writeMembers gives the list to servers, as far as there are containers of them.
func writeMembers(p *dockertest.Process, list []nodeapi.Member, servers ...string) error {
	content, err := json.Marshal(list)
	if err != nil {
		return err
	}
	for _, server := range servers {
		if err := p.Engine().WriteFile(server, membersPath, content); err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
	}
	return nil
}
