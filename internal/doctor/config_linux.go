package doctor

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"strings"
)

// configNames maps options of a kernel's build to the names in [features].
var configNames = map[string]string{
	"CONFIG_OVERLAY_FS": "overlay", "CONFIG_NF_TABLES": "nf_tables", "CONFIG_NF_CONNTRACK": "nf_conntrack",
	"CONFIG_NF_NAT": "nf_nat", "CONFIG_VETH": "veth", "CONFIG_BRIDGE": "bridge",
}

// readConfig adds what the kernel's build configuration names, where it is to be found. It is the only witness
// for a kernel without loadable modules.
func readConfig(release string, found map[string]bool) {
	if f, err := os.Open("/proc/config.gz"); err == nil {
		defer f.Close()
		if z, err := gzip.NewReader(f); err == nil {
			parseConfig(z, found)
			return
		}
	}
	if f, err := os.Open("/boot/config-" + release); err == nil {
		defer f.Close()
		parseConfig(f, found)
	}
}

func parseConfig(r io.Reader, found map[string]bool) {
	for s := bufio.NewScanner(r); s.Scan(); {
		option, value, _ := strings.Cut(s.Text(), "=")
		if name, wanted := configNames[option]; wanted && (value == "y" || value == "m") {
			found[name] = true
		}
	}
}
