// Package lazytext keeps kubectl's translations from being loaded by commands that are not kubectl.
//
// kubectl translates its help texts while its packages are initialised, and loads 20 ms worth of message
// catalogue for that: more than half of what skiff takes to start. Upstream lets an init function that runs
// before those packages decide. This one does: it imports nothing but the i18n package, and Go initialises
// packages that are ready in the order of their import paths, so "github.com/…" comes before "k8s.io/kubectl/…".
// A test of package cli measures that it works.
package lazytext

import (
	"os"
	"slices"

	"k8s.io/kubectl/pkg/util/i18n"
)

func init() {
	err := i18n.SetLoadTranslationsFunc(func() error {
		if slices.Contains(os.Args, "kubectl") {
			return i18n.LoadTranslations("kubectl", nil)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
}
