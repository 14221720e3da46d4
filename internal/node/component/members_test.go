package component

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// etcdMembers makes the configurations of some members. Their names are addresses of the loopback, all of which this
// host has, so that they find each other where members always listen.
func etcdMembers(t *testing.T, count int) []EtcdConfig {
	t.Helper()
	authority, err := pki.NewCluster(time.Now(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range count {
		pid := os.Getpid()
		names = append(names, netip.AddrFrom4([4]byte{127, byte(1 + pid>>8&0x7f), byte(pid), byte(n + 1)}).String())
	}
	var configs []EtcdConfig
	for _, name := range names {
		dir := t.TempDir()
		files, err := authority.Server(pki.ServerNames{Node: name})
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range files {
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		configs = append(configs, EtcdConfig{
			Name: name, Dir: filepath.Join(dir, "data"), Socket: filepath.Join(dir, "s"), MembersSocket: filepath.Join(dir, "m"), NoSync: true,
			Members: names, PKIDir: dir, PeerListen: net.JoinHostPort(name, fmt.Sprint(nodeapi.EtcdPeerPort)),
		})
	}
	return configs
}

// member is one that runs.
type runningMember struct {
	EtcdConfig
	stop    func()
	server  func() *etcdserver.EtcdServer
	removed bool // it ends by itself
}

// run runs a member as a component, and returns when it is ready.
func (cfg EtcdConfig) run(t *testing.T) *runningMember {
	t.Helper()
	m := cfg.launch(t)
	m.await(t)
	return m
}

// launch runs a member as a component.
func (cfg EtcdConfig) launch(t *testing.T) *runningMember {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var server *embed.Etcd // set before its list of members is served
	c := Etcd(cfg, func(_ context.Context, e *embed.Etcd) error { server = e; return nil })
	ended := make(chan error, 1)
	go func() { ended <- c.Runner.Run(ctx, nil) }()
	m := &runningMember{EtcdConfig: cfg, server: func() *etcdserver.EtcdServer { return server.Server }}
	m.stop = func() {
		cancel()
		if err := <-ended; err != nil && !m.removed {
			t.Errorf("%s: %v", cfg.Name, err)
		}
		if server != nil {
			server.Close() // in a node the process ends
			server = nil
		}
		ended <- nil // it may be stopped again
	}
	t.Cleanup(m.stop)
	return m
}

// await waits until a member takes requests.
func (m *runningMember) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(m.MembersSocket); err == nil {
			if _, err := m.ask(http.MethodGet, ""); err == nil {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after a minute", m.Name)
		}
	}
}

// ask asks for the members or changes them, as skiff-node does, and returns their names: "name learner".
func (m *runningMember) ask(method, name string) ([]string, error) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", m.MembersSocket)
	}}}
	path := "/members"
	if name != "" {
		path += "/" + name
	}
	req, err := http.NewRequest(method, "http://etcd"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, body)
	}
	var members []nodeapi.Member
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	var list []string
	for _, member := range members {
		list = append(list, member.Name+map[bool]string{true: " learner"}[member.Learner])
	}
	slices.Sort(list)
	return list, nil
}

// want fails unless a member knows these.
func (m *runningMember) want(t *testing.T, want ...string) {
	t.Helper()
	got, err := m.ask(http.MethodGet, "")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s knows %q, want %q; %v", m.Name, got, want, err)
	}
}

// put writes through a member, and get reads for sure.
func (m *runningMember) put(t *testing.T, key, value string) {
	t.Helper()
	m.client(t, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, key, value)
		return err
	})
}

func (m *runningMember) get(t *testing.T, key string) (value string) {
	t.Helper()
	m.client(t, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Get(ctx, key)
		if err == nil && len(resp.Kvs) == 1 {
			value = string(resp.Kvs[0].Value)
		}
		return err
	})
	return value
}

func (m *runningMember) client(t *testing.T, do func(context.Context, *clientv3.Client) error) {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + m.Socket}, DialTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := do(ctx, c); err != nil {
		t.Errorf("%s: %v", m.Name, err)
	}
}

// TestEtcdOfThree begins with three members at once, goes on with two, and takes the third back.
func TestEtcdOfThree(t *testing.T) {
	configs := etcdMembers(t, 3)
	var members []*runningMember
	for _, cfg := range configs {
		members = append(members, cfg.launch(t))
	}
	for _, m := range members {
		m.await(t)
		m.want(t, configs[0].Members...)
	}
	members[0].put(t, "k", "1")
	if got := members[2].get(t, "k"); got != "1" {
		t.Errorf("the third reads %q", got)
	}
	members[0].stop()
	members[1].put(t, "k", "2")
	back := configs[0].run(t)
	if got := back.get(t, "k"); got != "2" {
		t.Errorf("the first reads %q when it is back", got)
	}
}

// TestEtcdGrows makes three members of one, one by one, and one of three.
func TestEtcdGrows(t *testing.T) {
	configs := etcdMembers(t, 3)
	alone := configs[0]
	alone.Members = alone.Members[:1]
	m := alone.run(t)
	m.put(t, "k", "1")
	m.want(t, alone.Name)
	m.stop()
	// Now it listens for others, of which it does not know yet.
	first := configs[0].run(t)
	first.want(t, alone.Name)
	if got := first.get(t, "k"); got != "1" {
		t.Errorf("it reads %q after it was made one of several", got)
	}
	names, others := []string{alone.Name}, []*runningMember{}
	for i, cfg := range configs[1:] {
		want := append(slices.Clone(names), cfg.Name+" learner")
		for range 2 { // what was done already succeeds
			if got, err := first.ask(http.MethodPost, cfg.Name); err != nil || !slices.Equal(got, want) {
				t.Fatalf("announced %s: %q, %v", cfg.Name, got, err)
			}
		}
		if i == 0 { // one at a time
			if _, err := first.ask(http.MethodPost, configs[2].Name); err == nil || !strings.Contains(err.Error(), "409") {
				t.Errorf("announced a second one: %v", err)
			}
		}
		first.put(t, "k", cfg.Name) // an announced member takes nothing away
		names = append(names, cfg.Name)
		cfg.Join, cfg.Members = true, slices.Clone(names)
		joined := cfg.run(t)
		joined.want(t, names...)
		if got := joined.get(t, "k"); got != cfg.Name {
			t.Errorf("%s reads %q", cfg.Name, got)
		}
		if i == 0 { // a restart does not join again
			joined.stop()
			joined = cfg.run(t)
			joined.want(t, names...)
		}
		others = append(others, joined)
	}
	for len(names) > 1 {
		last := names[len(names)-1]
		names = names[:len(names)-1]
		others[len(names)-1].removed = true
		for range 2 {
			if got, err := first.ask(http.MethodDelete, last); err != nil || !slices.Equal(got, names) {
				t.Fatalf("removed %s: %q, %v", last, got, err)
			}
		}
	}
	first.put(t, "k", "alone again")
}

// TestEtcdMemberWithoutMemory has a member lose its data, and another come by its name.
func TestEtcdMemberWithoutMemory(t *testing.T) {
	configs := etcdMembers(t, 3)
	var members []*runningMember
	for _, cfg := range configs {
		members = append(members, cfg.launch(t))
	}
	for _, m := range members {
		m.await(t)
	}
	first, lost := members[0], configs[2]
	if _, err := first.ask(http.MethodPost, first.Name); err == nil {
		t.Error("a member was announced to itself")
	}
	first.put(t, "k", "1")
	for _, time := range []string{"once", "twice"} {
		members[2].removed = true
		members[2].stop()
		if err := os.RemoveAll(lost.Dir); err != nil {
			t.Fatal(err)
		}
		want := []string{configs[0].Name, configs[1].Name, lost.Name + " learner"}
		if got, err := first.ask(http.MethodPost, lost.Name); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: announced %q, %v", time, got, err)
		}
		first.put(t, "k", time)
		lost.Join = true
		members[2] = lost.run(t)
		members[2].want(t, configs[0].Members...)
		if got := members[2].get(t, "k"); got != time {
			t.Errorf("%s reads %q", lost.Name, got)
		}
	}
	// Its vote counts.
	members[1].stop()
	first.put(t, "k", "without the second")
	if got := members[2].get(t, "k"); got != "without the second" {
		t.Errorf("%s reads %q", lost.Name, got)
	}
}

// TestMembersWithoutMajority does not wait for a majority for ever.
func TestMembersWithoutMajority(t *testing.T) {
	configs := etcdMembers(t, 2)
	first, second := configs[0].launch(t), configs[1].launch(t)
	first.await(t)
	second.await(t)
	second.stop()
	m := members{first.server(), time.Second}
	for name, do := range map[string]func(context.Context, string) error{"127.0.0.9": m.add, second.Name: m.remove} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.SetPathValue("name", name)
		w := httptest.NewRecorder()
		m.answer(do)(w, r)
		if want := "no majority of the 2 members agreed within 1s: "; w.Code != http.StatusConflict || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %q", name, w.Code, w.Body, want)
		}
	}
}
