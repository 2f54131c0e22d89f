package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// devices are the only device files a program sees.
func devices() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
}

// base is where the new root is put together; nothing below the host's /proc is ever shown to a program, so that covering it loses nothing.
const base = "/proc"

// buildRoot makes a root folder of views of the host and an empty work folder, and moves this process into it.
func buildRoot(s Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("root", base, "tmpfs", unix.MS_NOSUID, "size=1m,nr_inodes=4096,mode=0755"); err != nil {
		return fmt.Errorf("root folder: %w", err)
	}
	for _, p := range s.ReadOnly {
		if err := view(p, true); err != nil {
			return err
		}
	}
	for _, p := range s.Writable {
		if err := view(p, false); err != nil {
			return err
		}
	}
	for _, p := range devices() {
		if err := view(p, false); err != nil {
			return err
		}
	}
	if err := workFolderPlace(); err != nil {
		return err
	}
	if err := os.Chdir(base); err != nil {
		return err
	}
	// The old root ends up under the new one at the same place, where it is let go of at once.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return os.Chdir("/")
}

// workFolderPlace makes the place of the writable folder, with /tmp and /dev/shm as other names of it.
func workFolderPlace() error {
	if err := os.MkdirAll(base+WorkDir, 0o755); err != nil {
		return err
	}
	for _, link := range []string{"/tmp", "/dev/shm"} {
		if err := os.Symlink(WorkDir, base+link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// freshWorkFolder puts an empty writable folder in its place, and the program's files into it. That of the program before, if any, is gone with all it holds:
// no process is left that could have it open.
func freshWorkFolder(s Spec) error {
	if err := unix.Unmount(WorkDir, unix.MNT_DETACH); err != nil && err != unix.EINVAL { // EINVAL: nothing is mounted there yet
		return fmt.Errorf("old work folder: %w", err)
	}
	opts := fmt.Sprintf("size=%d,nr_inodes=%d,mode=1777", s.Limits.Disk, s.Limits.Inodes)
	if err := unix.Mount("box", WorkDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	for _, f := range s.Files {
		if f.Name != filepath.Base(f.Name) || f.Name == "." || f.Name == ".." {
			return fmt.Errorf("file %q in the work folder: want a plain name", f.Name)
		}
		mode := os.FileMode(0o644)
		if f.Exec {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(WorkDir, f.Name), f.Data, mode); err != nil {
			return fmt.Errorf("work folder: %w", err)
		}
		if err := os.Chmod(filepath.Join(WorkDir, f.Name), mode); err != nil {
			return err
		}
	}
	return nil
}

// view shows a host path at the same place in the new root. Symbolic links on the way are made again as links, so that the path means the same.
func view(path string, readOnly bool) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.HasPrefix(path+"/", base+"/") {
		return fmt.Errorf("view of %q: want a clean absolute path, neither / nor below %s", path, base)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	at := base + path
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return fmt.Errorf("view of %s: %w", path, err)
	}
	if info.Mode()&os.ModeSymlink != 0 {
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(to, at)
	}
	if info.IsDir() {
		err = os.MkdirAll(at, 0o755)
	} else {
		err = os.WriteFile(at, nil, 0o644)
	}
	if err != nil {
		return fmt.Errorf("view of %s: %w", path, err)
	}
	if err := unix.Mount(path, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("view of %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("view of %s: attributes: %w", path, err)
	}
	return nil
}
