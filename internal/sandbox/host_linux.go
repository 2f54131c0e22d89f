package sandbox

import (
	"fmt"
	"os"
	"sync"

	seccomp "github.com/elastic/go-seccomp-bpf"
	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Layers says which layers of isolation this host has. Start needs all that are not optional.
func Layers() []Layer {
	return []Layer{kernelLayer(), childrenLayer(), seccompLayer(), landlockLayer(), trialLayer()}
}

// kernelLayer: since 5.14 the limit on processes counts those of one user namespace, not of the whole host.
func kernelLayer() Layer {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Layer{Name: "kernel", Detail: err.Error()}
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	l := Layer{Name: "kernel", OK: major > 5 || major == 5 && minor >= 14, Detail: release}
	if !l.OK {
		l.Detail += ": older than 5.14, limits on processes would count the whole host's"
	}
	return l
}

// childrenLayer: the memory and processor time of a whole tree are found by walking it.
func childrenLayer() Layer {
	path := fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())
	if _, err := os.ReadFile(path); err != nil {
		return Layer{Name: "process tree", Detail: err.Error()}
	}
	return Layer{Name: "process tree", OK: true, Detail: "memory and CPU time of whole trees"}
}

func seccompLayer() Layer {
	if !seccomp.Supported() {
		return Layer{Name: "seccomp", Detail: "the kernel has no system-call filters"}
	}
	return Layer{Name: "seccomp", OK: true, Detail: "system-call filter"}
}

func landlockLayer() Layer {
	v, err := landlock.LandlockGetABIVersion()
	if err != nil || v < 1 {
		return Layer{Name: "landlock", Optional: true, Detail: "not in this kernel: the private mounts alone keep files apart"}
	}
	return Layer{Name: "landlock", Optional: true, OK: true, Detail: fmt.Sprintf("ABI %d", v)}
}

// trialLayer builds a sandbox with nothing in it.
func trialLayer() Layer {
	l := Layer{Name: "namespaces", Detail: "user, process, network, IPC, mount, host name"}
	p, err := start(Spec{Args: []string{"/none"}, Limits: Default()}, nil, true)
	if err == nil {
		_, err = p.Wait()
	}
	if l.OK = err == nil; !l.OK {
		l.Detail = err.Error() + trialHint()
	}
	return l
}

// trialHint names the usual switches that forbid ordinary users to make namespaces.
func trialHint() string {
	for path, bad := range map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
		"/proc/sys/user/max_user_namespaces": "0\n"} {
		if b, err := os.ReadFile(path); err == nil && string(b) == bad {
			return fmt.Sprintf(" (%s is %c)", path, bad[0])
		}
	}
	return ""
}

// Available is nil where this host has every layer that is needed, and else says what is missing. It looks once.
var Available = sync.OnceValue(func() error {
	for _, l := range Layers() {
		if !l.OK && !l.Optional {
			return fmt.Errorf("%w: %s: %s", ErrRefused, l.Name, l.Detail)
		}
	}
	return nil
})
