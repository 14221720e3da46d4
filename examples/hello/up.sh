#!/bin/sh
# Brings up a cluster with the server of this directory on it, and waits until it answers through its Service.
# Run it as often as you like: it does what is missing.
#
#   ./examples/hello/up.sh bin/skiff
#
# SKIFF_CLUSTER names the cluster (default: skiff), HELLO_IMAGE the image to build, KUBECONFIG the file to write.
set -eu

say() { printf '==> %s\n' "$*"; }
die() {
	printf 'Error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '\n%s\n' "$*" >&2
	exit 1
}

[ $# -eq 1 ] || die "the program skiff is missing" "Run: $0 bin/skiff"
case $1 in */*) skiff=$1 ;; *) skiff=$(command -v "$1") || die "there is no program $1" "Build it: make build" ;; esac
[ -x "$skiff" ] || die "there is no program $skiff" "Build it: make build"
skiff=$(cd "$(dirname "$skiff")" && pwd)/$(basename "$skiff")
here=$(cd "$(dirname "$0")" && pwd)
cluster=${SKIFF_CLUSTER:-skiff}
image=${HELLO_IMAGE:-skiff-example/hello:dev}
export SKIFF_CLUSTER="$cluster"
with='' # what skiff needs in front of its commands, when a user types them
[ "$cluster" = skiff ] || with=" --cluster $cluster"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# status prints nothing and returns skiff's exit code: 0 ready, 3 no such cluster, 8 not ready.
status() { "$skiff" status "$cluster" >"$work/status" 2>&1; }

cluster_up() {
	code=0
	status || code=$?
	case $code in
	0) say "Cluster $cluster runs already" ;;
	3)
		say "Creating cluster $cluster"
		"$skiff" create "$cluster"
		return
		;;
	8)
		if grep -q "^Cluster $cluster: incomplete" "$work/status"; then
			die "cluster $cluster was left half-made" "Remove it with '$skiff delete $cluster' and run this again."
		fi
		say "Starting cluster $cluster"
		"$skiff" start "$cluster"
		ready || die "cluster $cluster does not become ready: $(cat "$work/status")" \
			"Look at '$skiff status $cluster', or remove it with '$skiff delete $cluster' and run this again."
		;;
	*)
		cat "$work/status" >&2
		exit "$code"
		;;
	esac
	"$skiff" kubeconfig merge "$cluster" --quiet
}

# ready waits up to two minutes until the cluster is.
ready() {
	deadline=$(($(date +%s) + 120))
	until status; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 1
	done
}

build_image() {
	say "Building image $image"
	arch=$(docker version --format '{{.Server.Arch}}')
	mkdir "$work/image"
	(cd "$here" && CGO_ENABLED=0 GOOS=linux GOARCH="$arch" go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/image/hello" .)
	docker build --tag "$image" --file "$here/Dockerfile" "$work/image" >"$work/build" 2>&1 || {
		cat "$work/build" >&2
		die "the image cannot be built"
	}
}

deploy() {
	say "Loading it into the cluster"
	"$skiff" load "$image" --quiet
	say "Deploying it"
	id=$(docker image inspect --format '{{.Id}}' "$image")
	sed -e "s|image: skiff-example/hello:dev|image: $image|" -e "s|image-id: unknown|image-id: $id|" "$here/hello.yaml" |
		"$skiff" kubectl apply --filename=-
	"$skiff" kubectl rollout status deployment/hello --timeout=120s || {
		"$skiff" kubectl get pods --selector=app=hello
		die "the pods of hello do not become ready" "Look closer: $skiff$with kubectl describe pods --selector=app=hello"
	}
}

# answer prints what the server says through its Service.
answer() {
	tries=60
	until "$skiff" kubectl get --raw /api/v1/namespaces/default/services/hello:80/proxy/ 2>"$work/answer"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || die "the service hello does not answer: $(cat "$work/answer")" "Look closer: $skiff$with kubectl describe service hello"
		sleep 1
	done
}

cluster_up
build_image
deploy
greeting=$(answer)
say "It answers through its Service: $greeting"

cat <<END

Reach it:     $skiff$with kubectl port-forward service/hello 8080:80
              and open http://127.0.0.1:8080
Use kubectl:  kubectl get pods          (context skiff-$cluster is selected)
              $skiff$with kubectl get pods
More of it:   $skiff$with kubectl scale deployment/hello --replicas=5
Remove it:    $skiff delete $cluster
END
