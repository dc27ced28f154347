// The flag --die-with-parent: a test that crashes leaves nothing behind.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	// The kernel keeps the death signal per thread: stay on the first one, which lives as long as the process.
	runtime.LockOSThread()
}

// dieWithParent takes --die-with-parent off the front of the arguments; with
// it, the kernel kills this process as soon as the thread that started it ends.
func dieWithParent(arguments []string) ([]string, error) {
	defer runtime.UnlockOSThread()
	if len(arguments) == 0 || arguments[0] != "--die-with-parent" {
		return arguments, nil
	}
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot ask the kernel for a signal at the parent's death: %w", err)
	}
	// The parent may have died before the request was in force.
	if os.Getppid() != parent {
		return nil, fmt.Errorf("the parent is gone already; start it from a process that lives")
	}
	return arguments[1:], nil
}
