package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// memberTimeout is how long a change of the datastore's members may take: longer than a server takes to say that there is
// no majority for it, which is 30 s, and to be asked.
const memberTimeout = 50 * time.Second

// members changes the datastore's list of members through a server that runs, and returns it. change is "add",
// "remove" or "list".
func (s *Service) members(ctx context.Context, cluster, server, change, name string) ([]nodeapi.Member, error) {
	command := []string{"member", change}
	if name != "" {
		command = append(command, name)
	}
	limit := cmp.Or(s.memberLimit, memberTimeout)
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := s.ask(asking, server, command...)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		return nil, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("the datastore of cluster %s did not agree on its members within %s: it has no majority", cluster, limit), Cause: err,
			Hint: fmt.Sprintf("See which servers work with 'skiff status %s', and start those that do not run with 'skiff start %s'.", cluster, cluster)}
	}
	if err != nil {
		return nil, err
	}
	var list []nodeapi.Member
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("the members of the datastore, says %s: %w", server, err)
	}
	return list, nil
}

// withdraw takes back the announcement of a member, before its node goes. If there was none, there is nothing to take
// back. A learner has no vote and may be left: if it is in the way, the next addition says so. But one that has become a
// voter must not go before the others have agreed to it, which may take its own vote.
func (a *addition) withdraw(ctx context.Context, name string) error {
	_, err := a.service.members(ctx, a.cluster.Name, a.helper, "remove", name)
	if err == nil {
		return nil
	}
	list, listErr := a.service.members(ctx, a.cluster.Name, a.helper, "list", "")
	if listErr == nil && !slices.ContainsFunc(list, func(m nodeapi.Member) bool { return m.Name == name && !m.Learner }) {
		return nil
	}
	a.service.emit(event.Event{ID: "start/" + name, Kind: event.KindStart, Subject: name, State: event.Started, Detail: "it has a vote on its own removal"})
	starting, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	startErr := a.service.Engine.StartContainer(starting, name)
	if startErr == nil {
		_, err = a.service.members(ctx, a.cluster.Name, a.helper, "remove", name)
	}
	a.service.emit(event.Event{ID: "start/" + name, Kind: event.KindStart, Subject: name, State: choose(err == nil, event.Done, event.Failed), Err: err})
	if err == nil {
		return nil
	}
	return &fault.Error{Code: fault.CodeOf(err), Summary: fmt.Sprintf("node %s is kept: it is a member of the datastore, and could not leave it again", name), Cause: errors.Join(err, startErr),
		Hint: fmt.Sprintf("Without its vote the datastore may have no majority: do not remove its container or volume.\nSee what is wrong with it with 'skiff status %s'; when it runs, remove it with 'skiff --cluster %s node remove %s'.", a.cluster.Name, a.cluster.Name, name)}
}
