//go:build !unix

package notify

import "os/exec"

// together does nothing: there are no groups of processes here, and only the
// command itself is killed.
func together(*exec.Cmd) {}
