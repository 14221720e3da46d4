//go:build linux

// Command testbox is the one program in the image that the scenarios run in pods: a server, a client, a webhook,
// an API server, and probes of what a container sees, each a sub-command. It needs nothing but itself, so the
// image is this file and two links.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// commands are the sub-commands. A program run under the name of one ("tar") is that one.
var commands = map[string]func(ctx context.Context, args []string) error{
	"apiserver": runAPIServer,
	"burn":      runBurn,
	"cat":       runCat,
	"crash":     runCrash,
	"echo":      runEcho,
	"env":       runEnv,
	"get":       runGet,
	"memory":    runMemory,
	"print":     runPrint,
	"requests":  runRequests,
	"resolve":   runResolve,
	"scan":      runScan,
	"seccomp":   runSeccomp,
	"serve":     runServe,
	"sleep":     runSleep,
	"tar":       runTar,
	"webhook":   runWebhook,
	"write":     runWrite,
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if commands[name] == nil {
		if len(args) == 0 {
			usage()
		}
		name, args = args[0], args[1:]
	}
	run := commands[name]
	if run == nil {
		usage()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		os.Exit(1)
	}
}

func usage() {
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: testbox COMMAND [ARGUMENTS]\ncommands: %s\n", strings.Join(names, " "))
	os.Exit(2)
}
