// The sub-command janitor: outlives the owner of a local cluster, however that
// one ends, and then kills what is left of its processes and removes its files.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const killWithin = 20 * time.Second

// A session holds a process and all that descends from it; its number is the
// process id of its first process, whose start time (clock ticks since boot)
// tells it from a later process with the same number.
type session struct{ leader, started int }

type process struct {
	id, session, started int
	ended                bool
}

func janitor(arguments []string) int {
	flags := flag.NewFlagSet("janitor", flag.ExitOnError)
	directory := flags.String("directory", "", "directory of the cluster, removed at the end (required)")
	_ = flags.Parse(arguments) // ExitOnError: it does not return with one
	if *directory == "" {
		fail("janitor: --directory is required")
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// The owner holds the other end of the pipe and never writes: the end of the input is the end of the owner.
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := cleanUp(*directory); err != nil {
		fmt.Fprintf(os.Stderr, "janitor: %v\n", err)
		return 1
	}
	return 0
}

func cleanUp(directory string) error {
	deadline := time.Now().Add(killWithin)
	for {
		left, err := killAll(filepath.Join(directory, "sessions"))
		if err != nil {
			return err
		}
		if left == 0 {
			return os.RemoveAll(directory)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes do not end within %s; their files stay in %s", left, killWithin, directory)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// killAll kills every live process of the recorded sessions and says how many there were.
func killAll(record string) (int, error) {
	sessions, err := recordedSessions(record)
	if err != nil {
		return 0, err
	}
	processes, err := liveProcesses()
	if err != nil {
		return 0, err
	}
	left := 0
	for _, one := range processes {
		if belongs(one, sessions, processes) {
			left++
			_ = syscall.Kill(one.id, syscall.SIGKILL) // it may have ended by itself since
		}
	}
	return left, nil
}

func belongs(one process, sessions []session, processes map[int]process) bool {
	for _, known := range sessions {
		leader, lives := processes[known.leader]
		reused := lives && leader.started != known.started
		if one.session == known.leader && !reused && !one.ended {
			return true
		}
	}
	return false
}

func recordedSessions(record string) ([]session, error) {
	text, err := os.ReadFile(record)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var sessions []session
	for line := range strings.Lines(string(text)) {
		var one session
		// A half-written last line is of a process that died with its owner.
		if _, err := fmt.Sscanf(line, "%d %d\n", &one.leader, &one.started); err == nil {
			sessions = append(sessions, one)
		}
	}
	return sessions, nil
}

func liveProcesses() (map[int]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	processes := map[int]process{}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if one, found := readProcess(id); found {
			processes[id] = one
		}
	}
	return processes, nil
}

// readProcess reads the fields of proc(5) "stat" after the command, which is in parentheses and may hold anything.
func readProcess(id int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return process{}, false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	state := fields[0]
	sessionID, errSession := strconv.Atoi(fields[3])
	started, errStarted := strconv.Atoi(fields[19])
	known := errSession == nil && errStarted == nil
	return process{id, sessionID, started, state == "Z" || state == "X"}, known
}
