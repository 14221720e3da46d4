// Package seed gives a cluster's datastore its first content. An API server and a controller manager that
// start on an empty datastore write some 250 objects that are the same in every cluster: RBAC's bootstrap
// roles, flow schemas, namespaces, service accounts. They are written once, when the node image is built
// ([Collect], [Seed.WriteFile]), and put into each new datastore by one transaction ([Load]).
//
// What must differ between clusters is not in the file but marked in it: every object's UID, wherever it is
// mentioned, and every time. A loaded object has a UID of its own and the time of the load, as if it had
// just been created. Two builds of the same program therefore give the same bytes.
package seed

import "strings"

// Seed is the first content of a datastore.
type Seed struct {
	// uids is how many UIDs the objects have between them.
	uids    int
	entries []entry
}

// entry is one key of the datastore.
type entry struct {
	key   string
	value []byte // its blanks are zeros
	// blanks are the places to be filled in at the load, in the order of their offsets.
	blanks []blank
}

// blank is a place in a value that differs between clusters. Its length depends on its kind only, so that
// filling it in moves nothing.
type blank struct {
	kind   blankKind
	offset int
	// uid tells UIDs apart: the same number is the same UID in all entries.
	uid int
}

type blankKind byte

const (
	blankUID       blankKind = 1 // a UID in its text form
	blankJSONTime  blankKind = 2 // a time as RFC 3339 has it, in UTC, in whole seconds
	blankProtoTime blankKind = 3 // the seconds of a protobuf timestamp, as a varint
)

func (k blankKind) size() int {
	switch k {
	case blankUID:
		return uidSize
	case blankJSONTime:
		return jsonTimeSize
	case blankProtoTime:
		return protoTimeSize
	default:
		return 0
	}
}

const (
	uidSize      = len("00000000-0000-4000-8000-000000000000")
	jsonTimeSize = len("2006-01-02T15:04:05Z")
	// protoTimeSize is a varint's between the years 1978 and 3058.
	protoTimeSize = 5
)

// Objects is how many objects the seed holds.
func (s *Seed) Objects() int { return len(s.entries) }

// root is where the API server keeps its objects, and rootEnd the first key behind it.
const (
	root    = "/registry/"
	rootEnd = "/registry0"
)

// constant are the resources whose objects are the same in each new cluster. It names what is taken, not
// what is left out: a resource that a later version of Kubernetes writes at its start is then missing from
// the seed, which costs a little time, and not wrongly in it.
var constant = []string{
	"apiregistration.k8s.io/apiservices",
	"clusterrolebindings",
	"clusterroles",
	"flowschemas",
	"namespaces",
	"priorityclasses",
	"prioritylevelconfigurations",
	"rolebindings",
	"roles",
	"serviceaccounts",
}

// Constant tells whether the object under a key of the datastore belongs into the seed.
func Constant(key string) bool {
	rest, ok := strings.CutPrefix(key, root)
	if !ok {
		return false
	}
	for _, resource := range constant {
		if strings.HasPrefix(rest, resource+"/") {
			return true
		}
	}
	return false
}
