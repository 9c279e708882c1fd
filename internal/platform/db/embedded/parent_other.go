//go:build !linux

package embedded

import "syscall"

// dieWithParent does nothing: only Linux can. The next start stops a server
// that was left behind.
func dieWithParent(*syscall.SysProcAttr, bool) {}
