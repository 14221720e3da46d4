#!/bin/sh
# A tour of a cluster that survives the loss of its machines: three servers, two agents, and an application that stays
# reachable while they go and come back. Run it as often as you like.
#
#   ./examples/ha/tour.sh bin/skiff
#
# SKIFF_CLUSTER names the cluster (default: ha), HELLO_IMAGE the image to build, KUBECONFIG the file to write.
set -eu

say() { printf '\n==> %s\n' "$*"; }
run() { printf '$ %s\n' "$*" && "$@"; }
die() {
	printf 'Error: %s\n' "$*" >&2
	exit 1
}

[ $# -eq 1 ] || die "the program skiff is missing. Run: $0 bin/skiff"
[ -x "$1" ] || die "there is no program $1. Build it: make build"
skiff=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
cluster=${SKIFF_CLUSTER:-ha}
image=${HELLO_IMAGE:-skiff-example/hello:dev}
export SKIFF_CLUSTER="$cluster"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# until_true COMMAND... waits up to two minutes until a command succeeds: there is nothing that tells of these changes.
until_true() {
	tries=120
	until "$@" >"$work/answer" 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || die "waited in vain for: $*: $(cat "$work/answer")"
		sleep 1
	done
}

answers() { "$skiff" kubectl get --raw /api/v1/namespaces/default/services/hello:80/proxy/; }
not_ready() { "$skiff" kubectl get node "$1" --no-headers | grep -q NotReady; }
all_run_elsewhere() {
	pods=$("$skiff" kubectl get pods --selector=app=hello --output=wide --no-headers) || return 1
	[ "$(printf '%s\n' "$pods" | grep -v "$1" | grep -c ' 1/1  *Running ')" -eq 4 ]
}

say "A cluster of three servers and two agents, out of cluster.yaml"
if "$skiff" status "$cluster" >/dev/null 2>&1; then
	printf 'It runs already.\n'
elif "$skiff" list --output json | grep -q "\"name\": *\"$cluster\""; then
	run "$skiff" start "$cluster"
else
	run "$skiff" create "$cluster" --config "$here/cluster.yaml"
fi
run "$skiff" kubectl get nodes

say "An application with four pods, which share the agents"
arch=$(docker version --format '{{.Server.Arch}}')
mkdir "$work/image"
(cd "$here/../hello" && CGO_ENABLED=0 GOOS=linux GOARCH="$arch" go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/image/hello" .)
docker build --tag "$image" --file "$here/../hello/Dockerfile" "$work/image" >"$work/build" 2>&1 || die "the image cannot be built: $(cat "$work/build")"
run "$skiff" load "$image" --quiet
sed -e "s|image: skiff-example/hello:dev|image: $image|" "$here/app.yaml" | "$skiff" kubectl apply --filename=-
run "$skiff" kubectl rollout status deployment/hello --timeout=120s
run "$skiff" kubectl get pods --selector=app=hello --output=wide
until_true answers

say "A server is killed. The others go on: the API answers at the same address"
run docker kill "skiff-$cluster-server-1"
until_true "$skiff" kubectl get --raw /readyz
run "$skiff" kubectl create configmap "written-without-server-1-$$" --from-literal=by=the-others
until_true not_ready "skiff-$cluster-server-1"
run "$skiff" kubectl get nodes

say "It comes back, and catches up with what was written meanwhile"
run "$skiff" node start server-1
run "$skiff" kubectl get nodes

say "An agent stops, as if its machine were shut down. Its pods move to the other one"
run "$skiff" node stop agent-1
until_true not_ready "skiff-$cluster-agent-1"
until_true all_run_elsewhere "skiff-$cluster-agent-1"
run "$skiff" kubectl get pods --selector=app=hello --output=wide
until_true answers
printf 'The application answers: %s\n' "$(cat "$work/answer")"
run "$skiff" node start agent-1

say "The whole cluster stops and starts. All is as it was"
run "$skiff" stop "$cluster"
run "$skiff" start "$cluster"
until_true answers
run "$skiff" kubectl get nodes

cat <<END

Look at it:   $skiff status $cluster
Another node: $skiff --cluster $cluster node add
Freeze it:    $skiff pause $cluster        and let it go on: $skiff resume $cluster
Remove it:    $skiff delete $cluster
END
