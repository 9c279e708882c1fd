package embedded

import "syscall"

// dieWithParent has the kernel stop the child when the thread that started it
// ends: cleanly, or at once where nothing needs to be kept.
func dieWithParent(attr *syscall.SysProcAttr, atOnce bool) {
	attr.Pdeathsig = syscall.SIGINT
	if atOnce {
		attr.Pdeathsig = syscall.SIGQUIT
	}
}
