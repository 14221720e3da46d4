package nodeapi

import "strings"

// IsReservedLabel is true for a label of Kubernetes' own: its name begins with kubernetes.io/, k8s.io/, or a domain in
// one of them. Of these, a kubelet may give its node only a few (NodeRestriction).
func IsReservedLabel(name string) bool {
	domain, _, ok := strings.Cut(name, "/")
	if !ok {
		return false
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return true
		}
	}
	return false
}
