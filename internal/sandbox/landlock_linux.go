package sandbox

import (
	"fmt"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// readRights are what a read-only view allows.
const readRights = landlock.AccessFSExecute | landlock.AccessFSReadFile | landlock.AccessFSReadDir

// lockFiles puts this thread, and all it starts, under the newest Landlock rules this kernel knows: files can be read anywhere in the (new) root,
// written below the named folders and to the devices; no TCP; no signals and no abstract sockets to processes outside. Where there is no
// Landlock, the mounts, the network namespace and the process namespace already say the same.
func lockFiles(writable []string) error {
	abi, err := landlock.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		return nil
	}
	attr := landlock.RulesetAttr{HandledAccessFS: 1<<13 - 1}
	if abi >= 2 {
		attr.HandledAccessFS |= landlock.AccessFSRefer
	}
	if abi >= 3 {
		attr.HandledAccessFS |= landlock.AccessFSTruncate
	}
	if abi >= 4 {
		attr.HandledAccessNet = landlock.AccessNetBindTCP | landlock.AccessNetConnectTCP
	}
	if abi >= 5 {
		attr.HandledAccessFS |= landlock.AccessFSIoctlDev
	}
	if abi >= 6 {
		attr.Scoped = landlock.ScopeAbstractUnixSocket | landlock.ScopeSignal
	}
	rules, err := landlock.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	defer unix.Close(rules)
	if err := allow(rules, "/", readRights); err != nil {
		return err
	}
	for _, dir := range writable {
		if err := allow(rules, dir, attr.HandledAccessFS); err != nil {
			return err
		}
	}
	for _, dev := range devices() {
		if err := allow(rules, dev, attr.HandledAccessFS&(landlock.AccessFSReadFile|landlock.AccessFSWriteFile|landlock.AccessFSTruncate)); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := landlock.LandlockRestrictSelf(rules, 0); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// allow adds a rule for everything at and below a path.
func allow(rules int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("landlock: %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := landlock.LandlockAddPathBeneathRule(rules, &landlock.PathBeneathAttr{AllowedAccess: rights, ParentFd: fd}, 0); err != nil {
		return fmt.Errorf("landlock: %s: %w", path, err)
	}
	return nil
}
