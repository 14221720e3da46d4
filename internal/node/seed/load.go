package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/protobuf/encoding/protowire"
)

// marker is the key that tells that a datastore has had its seed. It is outside of what the API server sees.
const marker = "/skiff.dev/seed"

// firstRevision is that of a datastore to which nothing was written yet.
const firstRevision = 1

// Load returns a function that puts the seed in a file into the datastore of a running server if it is empty,
// and does nothing otherwise.
func Load(path string) func(context.Context, *embed.Etcd) error {
	return func(ctx context.Context, server *embed.Etcd) error {
		if server.Server.KV().Rev() > firstRevision {
			return nil
		}
		s, err := ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the first content of the datastore: %w", err)
		}
		return s.load(ctx, server)
	}
}

// load writes the seed in one transaction, so that a crash leaves all of it or nothing, and only if nobody
// else has: several servers may start on the same empty datastore. It asks the server itself and not through
// its gRPC API, which refuses transactions of so many keys.
func (s *Seed) load(ctx context.Context, server *embed.Etcd) error {
	now := time.Now()
	uids, err := newUIDs(s.uids)
	if err != nil {
		return err
	}
	txn := &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: []byte(marker), Target: pb.Compare_VERSION, Result: pb.Compare_EQUAL,
			TargetUnion: &pb.Compare_Version{Version: 0},
		}},
		Success: make([]*pb.RequestOp, 0, 1+len(s.entries)),
	}
	put := func(key string, value []byte) {
		request := &pb.PutRequest{Key: []byte(key), Value: value}
		txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: request}})
	}
	put(marker, now.UTC().AppendFormat(nil, time.RFC3339))
	for i := range s.entries {
		put(s.entries[i].key, s.entries[i].fill(uids, now))
	}
	if _, err := server.Server.Txn(ctx, txn); err != nil {
		return fmt.Errorf("write the first content of the datastore: %w", err)
	}
	return nil
}

// fill returns the entry's value with UIDs and a time.
func (e *entry) fill(uids []string, now time.Time) []byte {
	value := append([]byte(nil), e.value...)
	for _, b := range e.blanks {
		place := value[b.offset:b.offset] // appending writes into the value
		switch b.kind {
		case blankUID:
			_ = append(place, uids[b.uid]...)
		case blankJSONTime:
			_ = now.UTC().AppendFormat(place, time.RFC3339)
		case blankProtoTime:
			_ = protowire.AppendVarint(place, uint64(now.Unix()))
		}
	}
	return value
}

func newUIDs(n int) ([]string, error) {
	uids := make([]string, n)
	for i := range uids {
		uid, err := uuid.NewRandom()
		if err != nil {
			return nil, err
		}
		uids[i] = uid.String()
	}
	return uids, nil
}
