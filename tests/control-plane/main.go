// A Kubernetes control plane from Go modules as one program: every
// sub-command runs as a process of its own, so that a test can stop, freeze
// or kill one of them. The arguments are upstream's, see the other files.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// commands maps a sub-command to its function; the result is the exit status.
var commands = map[string]func(arguments []string) int{
	"etcd":                    etcd,
	"kube-apiserver":          apiServer,
	"kube-controller-manager": controllerManager,
	"kubectl":                 kubectl,
	"keys":                    keys,
	"janitor":                 janitor,
}

func main() {
	if len(os.Args) < 2 {
		fail("no sub-command given; use one of: %s", names())
	}
	command, found := commands[os.Args[1]]
	if !found {
		fail("unknown sub-command %q; use one of: %s", os.Args[1], names())
	}
	arguments, err := dieWithParent(os.Args[2:])
	if err != nil {
		fail("%s: %v", os.Args[1], err)
	}
	os.Exit(command(arguments))
}

func names() string {
	return strings.Join(slices.Sorted(maps.Keys(commands)), ", ")
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "control-plane: "+format+"\n", values...)
	os.Exit(2)
}
