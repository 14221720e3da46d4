package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// apt downloads packages of one architecture from the archives that this machine is configured for. It keeps its own
// index and an empty list of installed packages, so that it needs no root, changes nothing of the system, and serves
// an architecture that the system knows nothing of.
type apt struct {
	dir     string
	arch    string
	updated bool
}

// aptConfig comes after the system's own configuration: its archives, keys and proxies stay in force, its hooks (which
// expect root) do not, and nothing but the lists of packages is fetched.
const aptConfig = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
	MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
	flatMetaKey "Packages";
	ShortDescription "Packages";
	Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
	Optional "false";
};
Acquire::Languages "none";
APT::Sandbox::User "";
APT::Architecture "%[1]s";
APT::Architectures "%[1]s";
Dir::State "%[2]s/state";
Dir::State::status "%[2]s/status";
Dir::Cache "%[2]s/cache";
`

// download fetches packages into a directory, in the versions that the archive offers now.
func (a *apt) download(ctx context.Context, into string, names []string) error {
	if err := a.update(ctx); err != nil {
		return err
	}
	args := append([]string{"-c", a.config(), "-qq", "download"}, names...)
	if _, err := command(ctx, into, nil, "apt-get", args...); err != nil {
		return fmt.Errorf("download Debian packages %s: %w", strings.Join(names, " "), err)
	}
	return nil
}

// update fetches the lists of packages, once per run.
func (a *apt) update(ctx context.Context) error {
	if a.updated {
		return nil
	}
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "status"), nil, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(a.config(), fmt.Appendf(nil, aptConfig, a.arch, a.dir), 0o644); err != nil {
		return err
	}
	progress("fetching the lists of Debian packages (%s)", a.arch)
	if _, err := command(ctx, "", nil, "apt-get", "-c", a.config(), "-qq", "update"); err != nil {
		return fmt.Errorf("fetch the lists of Debian packages: %w", err)
	}
	a.updated = true
	return nil
}

func (a *apt) config() string { return filepath.Join(a.dir, "apt.conf") }
