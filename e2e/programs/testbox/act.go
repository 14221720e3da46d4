//go:build linux

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// runSleep sleeps for a duration, or until it is told to end, which is no failure.
func runSleep(ctx context.Context, args []string) error {
	d := 24 * time.Hour
	if len(args) > 0 {
		var err error
		if d, err = time.ParseDuration(args[0]); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return nil
}

// runCrash fails, after a while if one is given.
func runCrash(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if err := runSleep(ctx, args); err != nil {
			return err
		}
	}
	return fmt.Errorf("crash, as asked")
}

// runPrint prints numbered lines, at an interval, and then waits to be told to end if asked to stay.
func runPrint(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("print", flag.ContinueOnError)
	lines := flags.Int("lines", 10, "how many")
	every := flags.Duration("every", 0, "interval")
	stay := flags.Bool("stay", false, "do not end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for i := 1; i <= *lines && ctx.Err() == nil; i++ {
		fmt.Println("line", i)
		time.Sleep(*every)
	}
	if *stay {
		<-ctx.Done()
	}
	return nil
}

// runEcho answers every line of its input, until that ends or says "end".
func runEcho(_ context.Context, _ []string) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println("echo:", in.Text())
		if in.Text() == "end" {
			return nil
		}
	}
	return in.Err()
}

// runWrite writes a text to a file.
func runWrite(_ context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: write FILE TEXT")
	}
	return os.WriteFile(args[0], []byte(args[1]+"\n"), 0o644)
}

// runMemory uses so many MiB of memory, and then waits to be told to end.
func runMemory(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: memory MIB")
	}
	mib, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	block := make([]byte, mib<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1 // memory counts once it is written to
	}
	fmt.Println("using", mib, "MiB")
	<-ctx.Done()
	return os.WriteFile(os.DevNull, block[:1], 0)
}

// runBurn keeps so many processors busy for a while, and prints how many of them it had, in thousandths.
func runBurn(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("burn", flag.ContinueOnError)
	threads := flags.Int("threads", 4, "how many processors to ask for")
	span := flags.Duration("for", 5*time.Second, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *span)
	defer cancel()
	began := time.Now()
	runtime.GOMAXPROCS(*threads)
	var group sync.WaitGroup
	for range *threads {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ { // nothing else: it is to burn time
				_ = n
			}
		})
	}
	group.Wait()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	spent := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	fmt.Println(int64(1000 * spent.Seconds() / time.Since(began).Seconds()))
	return nil
}
