# `make` alone lists the targets. Each is a line or two of Go or Docker: the logic is in Go programs.

# One set of flags for everything, so that everything shares one build cache (see internal/buildflags).
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false -tags=grpcnotrace,notest

# A release is built from a tagged commit. Any other build is "devel", so that its node image does not change with
# every commit.
VERSION ?= $(or $(shell git describe --tags --exact-match 2>/dev/null),devel)
COMMIT ?= $(shell git describe --always --abbrev=12 --exclude='*' --dirty 2>/dev/null)
GOARCH ?= $(shell go env GOARCH)

# The node image is made with Debian's package tools. A host without them makes it in a container of an image that
# has them, Go and gcc.
DEBIAN_IMAGE ?= golang:$(shell go list -m -f '{{.GoVersion}}')-bookworm
ifeq ($(and $(shell command -v apt-get),$(shell command -v dpkg-deb)),)
IN_DEBIAN := docker run --rm --user "$$(id -u):$$(id -g)" --volume "$(CURDIR):$(CURDIR)" --workdir "$(CURDIR)" \
	--env CGO_ENABLED --env GOFLAGS="$(GOFLAGS) -modcacherw" --env GOPROXY --env HOME=$(CURDIR)/nodeimage/.cache/home \
	--env GOPATH=$(CURDIR)/nodeimage/.cache/go --env GOCACHE=$(CURDIR)/nodeimage/.cache/go-build $(DEBIAN_IMAGE)
endif

# Tests with golden files, which `make update` rewrites.
GOLDEN = $(shell grep -rl --include='*_test.go' 'testutil\.Golden' internal | xargs -n 1 dirname | sort -u | sed 's,^,./,')

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'

.PHONY: build
build: image ## build bin/skiff, with the node image inside
	go build -ldflags "$$(go run ./internal/buildflags/print --version "$(VERSION)" --commit "$(COMMIT)")" -o bin/skiff ./cmd/skiff

.PHONY: image
image: ## build the node image only; IMAGEFLAGS=--refresh looks for newer Debian packages
	$(IN_DEBIAN) go run ./nodeimage/build --arch $(GOARCH) --version "$(VERSION)" $(IMAGEFLAGS)

.PHONY: up
up: build ## build, create the default cluster, deploy examples/hello, say how to reach it
	./examples/hello/up.sh bin/skiff

.PHONY: down
down: ## delete the default cluster
	bin/skiff delete

# The tests are not vetted again: lint has done that, for everything and with every check.
.PHONY: test
test: lint unit e2e ## run every test; leaves nothing behind in Docker

.PHONY: unit
unit: ## run the tests that need no Docker
	go test -vet=off ./...

.PHONY: e2e
e2e: build ## run the scenarios on Docker; E2E=TestName runs one
	SKIFF="$(CURDIR)/bin/skiff" go test -vet=off -tags=grpcnotrace,notest,e2e -p 1 -count=1 -timeout 40m $(if $(E2E),-v -run '$(E2E)') ./e2e/... ./internal/docker

.PHONY: e2e-faults
e2e-faults: build ## run the whole matrix of faults, and all else that breaks clusters, on Docker; slow
	SKIFF="$(CURDIR)/bin/skiff" E2E_FAULTS=all go test -vet=off -tags=grpcnotrace,notest,e2e -count=1 -timeout 60m -v \
		-run '$(or $(E2E),Faults|ServersDie|ServersFreeze|AdditionIsKilled|Majority|AgentIsLost|ClusterIs|ComeAndGo|CreateAndDelete|SeveralClusters|AnotherVersion)' ./e2e

.PHONY: e2e-cgroup2
e2e-cgroup2: build ## prove Skiff on cgroup v2, in an emulated machine; slow
	go run ./e2e/cgroup2 -skiff bin/skiff

.PHONY: bench
bench: build ## measure, and rewrite docs/benchmarks.md; BENCHFLAGS='-only ^create' measures a part
	go run ./bench -skiff bin/skiff $(or $(BENCHFLAGS),-update)

.PHONY: lint
lint: ## check the format, vet, check the layers, and compile the command line for other systems
	@unformatted=$$(gofmt -l $$(ls $$(git ls-files --cached --others --exclude-standard '*.go') 2>/dev/null)); \
		test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }
	go vet ./...
	go vet -tags=grpcnotrace,notest,e2e ./e2e/... ./internal/docker
	GOOS=darwin go build ./internal/cli/...
	GOOS=windows go build ./internal/cli/...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; \
		else echo "note: golangci-lint is not installed, so the rules in .golangci.yml were not checked"; fi

.PHONY: update
update: ## rewrite the golden files
	go test $(GOLDEN) -update

.PHONY: verify
verify: update ## check that the golden files are up to date
	git diff --exit-code -- '*/testdata/*' internal/config/schema.json
	@new=$$(git ls-files --others --exclude-standard -- '*/testdata/*'); \
		test -z "$$new" || { echo "golden files that are not in the repository:" $$new; exit 1; }

.PHONY: dist
dist: ## build the release archives, for three systems and two architectures, into dist/
	$(IN_DEBIAN) go run ./nodeimage/build --arch amd64 --version "$(VERSION)" --best
	$(IN_DEBIAN) go run ./nodeimage/build --arch arm64 --version "$(VERSION)" --best
	go run ./internal/dist --version "$(VERSION)" --commit "$(COMMIT)"

.PHONY: clean
clean: ## remove everything that was built; the Go build cache stays
	rm -rf bin dist e2e/artifacts e2e/cgroup2/.cache nodeimage/.cache nodeimage/artifact/*/image.*
