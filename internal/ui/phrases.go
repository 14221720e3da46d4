package ui

import (
	"strings"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// phrase says one kind of step in each of its states; % stands for the subject.
type phrase struct{ doing, done, failed, skipped, undone string }

var phrases = map[event.Kind]phrase{
	event.KindImage: {
		doing: "Loading the node image into Docker", done: "Loaded the node image into Docker",
		failed: "Loading the node image failed", skipped: "Node image is in Docker already",
		undone: "Removed the node image",
	},
	event.KindCerts: {
		doing: "Making certificates", done: "Made certificates",
		failed: "Making certificates failed", skipped: "Certificates are there already",
		undone: "Dropped certificates",
	},
	event.KindNetwork: {
		doing: "Creating network %", done: "Created network %",
		failed: "Creating network % failed", skipped: "Network % exists already",
		undone: "Removed network %",
	},
	event.KindVolume: {
		doing: "Creating volume %", done: "Created volume %",
		failed: "Creating volume % failed", skipped: "Volume % exists already",
		undone: "Removed volume %",
	},
	event.KindNode: {
		doing: "Starting node %", done: "Started node %",
		failed: "Starting node % failed", skipped: "Node % runs already",
		undone: "Removed node %",
	},
	event.KindStart: {
		doing: "Starting Kubernetes on %", done: "Kubernetes is up on %",
		failed: "Kubernetes did not come up on %", skipped: "Kubernetes is up on % already",
		undone: "Stopped Kubernetes on %",
	},
	event.KindStop: {
		doing: "Stopping node %", done: "Stopped node %", failed: "Stopping node % failed",
		skipped: "Node % does not run", undone: "Started node % again",
	},
	event.KindPause: {
		doing: "Freezing node %", done: "Froze node %", failed: "Freezing node % failed",
		skipped: "Node % is frozen or does not run", undone: "Node % goes on",
	},
	event.KindResume: {
		doing: "Resuming node %", done: "Node % goes on", failed: "Resuming node % failed",
		skipped: "Node % is not frozen", undone: "Froze node %",
	},
	event.KindDrain: {
		doing: "Draining node %", done: "Drained node %", failed: "Draining node % failed",
		skipped: "Node % is not drained", undone: "Node % takes pods again",
	},
	event.KindMember: {
		doing: "Changing the datastore's members: %", done: "Changed the datastore's members: %",
		failed: "Changing the datastore's members failed: %", skipped: "The datastore's members are as they should be: %",
		undone: "Changed the datastore's members back: %",
	},
	event.KindObject: {
		doing: "Changing labels and taints of %", done: "Changed labels and taints of %", failed: "Changing labels and taints of % failed",
		skipped: "Labels and taints of % are as they should be", undone: "Changed labels and taints of % back",
	},
	event.KindSettings: {
		doing: "Writing the configuration of %", done: "Wrote the configuration of %", failed: "Writing the configuration of % failed",
		skipped: "The configuration of % needs no change", undone: "Wrote the former configuration of %",
	},
	event.KindRestart: {
		doing: "Restarting %", done: "Restarted %", failed: "Restarting % failed", skipped: "% needs no restart", undone: "Restarted % as it was",
	},
	event.KindRestore: {
		doing: "Giving % its former configuration back", done: "% has its former configuration again",
		failed: "Giving % its former configuration back failed", skipped: "% has its former configuration", undone: "%",
	},
	event.KindMove: {
		doing: "Making room for an edge before %", done: "% leaves the API's endpoint to an edge",
		failed: "Making room for an edge before % failed", skipped: "The API's endpoint is an edge already", undone: "% has the API's endpoint again",
	},
	event.KindComponent: {
		doing: "Starting %", done: "% is ready", failed: "% failed", skipped: "% is not needed",
		undone: "Stopped %",
	},
	event.KindCheck: {
		doing: "Checking: %", done: "%", failed: "Not met: %", skipped: "Not checked: %", undone: "%",
	},
	event.KindKubeconfig: {
		doing: "Writing context % to the kubeconfig", done: "Wrote context % to the kubeconfig",
		failed: "Writing the kubeconfig failed", skipped: "The kubeconfig needs no change",
		undone: "Removed context % from the kubeconfig",
	},
	event.KindManifest: {
		doing: "Applying %", done: "Applied %", failed: "Applying % failed",
		skipped: "% is applied already", undone: "Removed the objects of %",
	},
	event.KindDelete: {
		doing: "Removing %", done: "Removed %", failed: "Removing % failed",
		skipped: "% is gone already", undone: "Restored %",
	},
	event.KindRollback: {
		doing: "Rolling back", done: "Rolled back", failed: "Rolling back failed",
		skipped: "Nothing to roll back", undone: "Rolled back",
	},
	event.KindLoad: {
		doing: "Loading %", done: "Loaded %", failed: "Loading % failed",
		skipped: "% is there already", undone: "Removed %",
	},
	event.KindBundle: {
		doing: "Collecting %", done: "Collected %", failed: "Collecting % failed",
		skipped: "Left out %", undone: "Dropped %",
	},
}

// subjects says the machine's names of conditions in words.
var subjects = map[string]string{
	nodeapi.ConditionComponents:     "components are ready",
	nodeapi.ConditionNode:           "node is Ready",
	nodeapi.ConditionPods:           "no pod is shown as it was before the start",
	nodeapi.ConditionDNS:            "cluster DNS answers",
	nodeapi.ConditionServiceAccount: "default service account exists",
	nodeapi.ConditionAPI:            "API answers on the address in the kubeconfig",
}

// Sentence says what a step does or did.
func Sentence(e event.Event) string {
	p, known := phrases[e.Kind]
	if !known { // a kind that this package has no words for yet is still shown
		return strings.TrimSpace(string(e.Kind) + " " + e.Subject + " " + string(e.State))
	}
	text := p.doing
	switch e.State {
	case event.Done:
		text = p.done
	case event.Failed:
		text = p.failed
	case event.Skipped:
		text = p.skipped
	case event.Undone:
		text = p.undone
	}
	text = strings.TrimSpace(strings.ReplaceAll(text, "%", subject(e)))
	if e.Kind == event.KindCheck {
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return text // may begin with a name, which is not to be capitalised
}

func subject(e event.Event) string {
	if e.Kind == event.KindCheck {
		if words, ok := subjects[e.Subject]; ok {
			return words
		}
	}
	return e.Subject
}
