//go:build unix

package notify

import (
	"os/exec"
	"syscall"
)

// together makes the command the first of a group of its own, which is killed
// as a whole when its time is up.
func together(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
