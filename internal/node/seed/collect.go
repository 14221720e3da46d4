package seed

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/protobuf/encoding/protowire"
)

// Collect makes a seed of what a running datastore holds. Each time in it that is not before since, which is
// when the datastore was empty, is taken for the time of a write.
func Collect(ctx context.Context, server *embed.Etcd, since time.Time) (*Seed, error) {
	resp, err := server.Server.Range(ctx, &pb.RangeRequest{Key: []byte(root), RangeEnd: []byte(rootEnd)})
	if err != nil {
		return nil, fmt.Errorf("read the datastore: %w", err)
	}
	values := map[string][]byte{}
	for _, kv := range resp.Kvs {
		if key := string(kv.Key); Constant(key) {
			values[key] = kv.Value
		}
	}
	return blankOut(values, since, time.Now())
}

// blankOut makes a seed of keys and values that were written between two times.
func blankOut(values map[string][]byte, from, to time.Time) (*Seed, error) {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)

	numbers := map[string]int{}
	for _, key := range keys {
		uid, err := objectUID(values[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if _, twice := numbers[uid]; twice {
			return nil, fmt.Errorf("%s: another object has the same UID %s", key, uid)
		}
		numbers[uid] = len(numbers)
	}

	s := &Seed{uids: len(numbers)}
	for _, key := range keys {
		e := entry{key: key, value: slices.Clone(values[key])}
		if err := e.blankUIDs(numbers); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		// Times are written in whole seconds, cut off.
		e.blankTimes(from.Unix(), to.Unix())
		slices.SortFunc(e.blanks, func(a, b blank) int { return a.offset - b.offset })
		for _, b := range e.blanks {
			clear(e.value[b.offset : b.offset+b.kind.size()])
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

// uidPattern is a random UUID's text. Where the type of a value is unknown, and even inside text (the field
// names of managedFields hold UIDs), it is what a UID can be told by.
var uidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func (e *entry) blankUIDs(numbers map[string]int) error {
	for _, at := range uidPattern.FindAllIndex(e.value, -1) {
		uid := string(e.value[at[0]:at[1]])
		number, ok := numbers[uid]
		if !ok {
			return fmt.Errorf("mentions the UID %s, which belongs to no object of the seed", uid)
		}
		e.blanks = append(e.blanks, blank{kind: blankUID, offset: at[0], uid: number})
	}
	return nil
}

var jsonTimePattern = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z`)

// blankTimes finds the times between two others, both in seconds since 1970.
func (e *entry) blankTimes(from, to int64) {
	for _, at := range jsonTimePattern.FindAllIndex(e.value, -1) {
		t, err := time.Parse(time.RFC3339, string(e.value[at[0]:at[1]]))
		if err == nil && from <= t.Unix() && t.Unix() <= to {
			e.blanks = append(e.blanks, blank{kind: blankJSONTime, offset: at[0]})
		}
	}
	// A timestamp in a message is its length (8), field 1 with the seconds, and field 2 with the nanoseconds,
	// which are always written and always zero. In nine bytes with a time within these minutes, chance has
	// one in 10^18.
	const before, after = "\x08\x08", "\x10\x00"
	for i := 0; i+len(before)+protoTimeSize+len(after) <= len(e.value); i++ {
		seconds := i + len(before)
		end := seconds + protoTimeSize
		if string(e.value[i:seconds]) != before || string(e.value[end:end+len(after)]) != after {
			continue
		}
		t, n := protowire.ConsumeVarint(e.value[seconds:end])
		if n == protoTimeSize && from <= int64(t) && int64(t) <= to {
			e.blanks = append(e.blanks, blank{kind: blankProtoTime, offset: seconds})
		}
	}
}
