package seed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// The file is, after its first line, a sequence of unsigned varints and of byte strings behind their length:
//
//	number of UIDs, number of entries, then for each entry
//	    key, value, number of blanks, then for each blank
//	        kind, offset in the value, number of the UID (of a blankUID only)
const fileHeader = "skiff seed 1\n"

// maxSize is what fits into one request of etcd, by its default limit, with room for what the request adds.
const maxSize = 1 << 20

// WriteFile writes the seed to a file.
func (s *Seed) WriteFile(path string) error {
	data := s.encode()
	if len(data) > maxSize {
		return fmt.Errorf("the seed has %d bytes, and only %d can be loaded at once", len(data), maxSize)
	}
	return os.WriteFile(path, data, 0o644)
}

// ReadFile reads a seed that [Seed.WriteFile] wrote.
func ReadFile(path string) (*Seed, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *Seed) encode() []byte {
	out := []byte(fileHeader)
	number := func(n int) { out = binary.AppendUvarint(out, uint64(n)) }
	number(s.uids)
	number(len(s.entries))
	for _, e := range s.entries {
		number(len(e.key))
		out = append(out, e.key...)
		number(len(e.value))
		out = append(out, e.value...)
		number(len(e.blanks))
		for _, b := range e.blanks {
			number(int(b.kind))
			number(b.offset)
			if b.kind == blankUID {
				number(b.uid)
			}
		}
	}
	return out
}

// errFormat says that a file is not what WriteFile wrote.
var errFormat = errors.New("not a seed of this version, or damaged")

// decode is the reverse of encode. It accepts nothing that a load could stumble over.
func decode(data []byte) (*Seed, error) {
	r := reader{rest: data}
	if string(r.take(len(fileHeader))) != fileHeader {
		return nil, errFormat
	}
	s := &Seed{uids: r.number()}
	for range r.number() {
		e := entry{key: string(r.take(r.number())), value: r.take(r.number())}
		for range r.number() {
			b := blank{kind: blankKind(r.number()), offset: r.number()}
			if b.kind == blankUID {
				b.uid = r.number()
				r.failed = r.failed || b.uid >= s.uids
			}
			size := b.kind.size()
			r.failed = r.failed || size == 0 || b.offset+size > len(e.value)
			if r.failed {
				return nil, errFormat
			}
			e.blanks = append(e.blanks, b)
		}
		s.entries = append(s.entries, e)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errFormat
	}
	return s, nil
}

// reader takes numbers and bytes from the front of a file. After a failure it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

// number takes a varint. None in a file is larger than the file itself.
func (r *reader) number() int {
	v, n := binary.Uvarint(r.rest)
	if r.failed || n <= 0 || v > maxSize {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.rest) {
		r.failed = true
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}
