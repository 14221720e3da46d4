package cluster

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// How plans and differences write values.

// plural is a word for a number of things.
func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func choose[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func prefixText(list []netip.Prefix) string { return joined(list, netip.Prefix.String) }

func joined[T any](list []T, text func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, ", ")
}

// sorted is joined in the order of the texts.
func sorted[T any](list []T, text func(T) string) string {
	texts := strings.Split(joined(list, text), ", ")
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// plainAddress is an address as validation writes it.
func plainAddress(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.Unmap().String()
	}
	return address
}

// minor is a version without its patch: "v1.37".
func minor(version string) string {
	if parts := strings.SplitN(version, ".", 3); len(parts) == 3 {
		return parts[0] + "." + parts[1]
	}
	return version
}

// span is a duration of settings, "" if they leave it to upstream. None at all is one, too.
func span(s nodeapi.Settings, d time.Duration) string {
	return choose(s.NodeFailure == nodeapi.NodeFailure{}, "", d.String())
}

func asIs(s string) string { return s }

// quotedIfEmpty tells an empty value from none.
func quotedIfEmpty(s string) string { return choose(s == "", `""`, s) }

func registryText(r nodeapi.Registry) string {
	parts := slices.Clone(r.Mirrors)
	if r.CA != "" {
		parts = append(parts, "an authority")
	}
	if r.SkipVerify {
		parts = append(parts, "skipVerify")
	}
	return cmp.Or(strings.Join(parts, ", "), "as it is")
}

// pathKey is the path of an entry of a mapping whose keys are the user's, as messages on cluster files have it.
func pathKey(path, key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || key == "" {
		return path + "[" + strconv.Quote(key) + "]"
	}
	return path + "." + key
}

func taintText(t nodeapi.Taint) string {
	return t.Key + choose(t.Value == "", "", "="+t.Value) + ":" + t.Effect
}

func cpus(millis int64) string {
	if millis == 0 {
		return "the host's"
	}
	return strconv.FormatFloat(float64(millis)/1000, 'g', -1, 64)
}

func memory(bytes int64) string {
	switch {
	case bytes == 0:
		return "the host's"
	case bytes%(1<<30) == 0:
		return fmt.Sprintf("%dGi", bytes>>30)
	case bytes%(1<<20) == 0:
		return fmt.Sprintf("%dMi", bytes>>20)
	}
	return strconv.FormatInt(bytes, 10)
}

func bindText(b Bind) string { return b.Source + ":" + b.Target + choose(b.ReadOnly, ":ro", "") }

func portText(p Port) string {
	return fmt.Sprintf("%s:%d:%d/%s", p.HostIP, p.HostPort, p.ContainerPort, cmp.Or(strings.ToLower(p.Protocol), "tcp"))
}
