package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// memberMethods are the HTTP methods by the words of the command.
var memberMethods = map[string]string{"list": http.MethodGet, "add": http.MethodPost, "remove": http.MethodDelete}

// memberTimeout is how long an answer may take: longer than the datastore needs to say that it has no majority.
const memberTimeout = 40 * time.Second

// member asks the Kubernetes process, which hosts the datastore, for its members or to change them, and prints what it
// answers.
func member(ctx context.Context, args []string) error {
	members, err := askMembers(ctx, nodeapi.MembersSocket, args)
	if err != nil {
		return err
	}
	return tell(members)
}

func askMembers(ctx context.Context, socket string, args []string) ([]nodeapi.Member, error) {
	if len(args) == 0 || len(args) > 2 || memberMethods[args[0]] == "" || (args[0] == "list") != (len(args) == 1) {
		return nil, errUsage
	}
	client := &http.Client{Timeout: memberTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	target := "http://etcd/members"
	if len(args) == 2 {
		target += "/" + url.PathEscape(args[1])
	}
	req, err := http.NewRequestWithContext(ctx, memberMethods[args[0]], target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the datastore does not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the datastore refuses: %s", strings.TrimSpace(string(body)))
	}
	var members []nodeapi.Member
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	return members, nil
}
