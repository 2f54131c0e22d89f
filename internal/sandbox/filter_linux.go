package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// allowed are the system calls of an ordinary single-machine program. Absent on purpose: sockets, mounts, namespaces, tracing, other processes'
// memory and limits, signals with made-up details, keys, kernel modules, BPF, io_uring, userfaultfd, performance counters, clocks being set, quotas, swap, reboot.
const allowed = `
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice tee copy_file_range
open openat openat2 creat close close_range dup dup2 dup3 pipe pipe2 fcntl flock ioctl fsync fdatasync sync_file_range
access faccessat faccessat2 stat fstat lstat newfstatat statx statfs fstatfs readlink readlinkat getdents getdents64 getcwd chdir fchdir
mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat truncate ftruncate fallocate fadvise64
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes utimensat futimesat mknod mknodat
getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
mmap munmap mprotect mremap madvise brk msync mlock munlock mincore membarrier memfd_create
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause
kill tkill tgkill alarm getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime
fork vfork execve execveat exit exit_group wait4 waitid pidfd_open restart_syscall
getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid setpgid setsid
setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid
getrlimit setrlimit getrusage sysinfo uname getcpu getpriority capget
sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
futex futex_waitv set_robust_list get_robust_list set_tid_address arch_prctl rseq getrandom eventfd eventfd2 signalfd signalfd4
select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
shmget shmat shmdt shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl`

// namespaceFlags are the flags of clone that make namespaces.
const namespaceFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// loadFilter installs the system-call filter in this thread, for good and for all it starts. What is not allowed fails with
// EPERM; clone3, whose flags a filter cannot see, with ENOSYS, so that libraries fall back to clone.
func loadFilter() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	have := func(names ...string) []string {
		return slices.DeleteFunc(names, func(n string) bool { _, ok := info.SyscallNames[n]; return !ok })
	}
	is := func(name string, arg uint32, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: arg, Operation: seccomp.Equal, Value: value}}}
	}
	conditional := []seccomp.NameWithConditions{
		{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsNotSet, Value: namespaceFlags}}},
		is("socketpair", 0, unix.AF_UNIX), // event loops wake themselves with one
		is("prctl", 0, unix.PR_SET_NAME), is("prctl", 0, unix.PR_GET_NAME), is("prctl", 0, unix.PR_SET_VMA), is("prctl", 0, unix.PR_SET_PDEATHSIG),
		is("prctl", 0, unix.PR_GET_DUMPABLE), is("prctl", 0, unix.PR_SET_NO_NEW_PRIVS),
		// Of itself only: the first process, which has the same user id where penny does not run as root, outlives the program.
		is("prlimit64", 0, 0), is("sched_setaffinity", 0, 0), is("setpriority", 1, 0),
	}
	// Data on a socket pair moves by these; without socket() they reach nothing else.
	names := have(append(strings.Fields(allowed), "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "getsockopt", "setsockopt", "getsockname")...)
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Names: names, NamesWithCondtions: conditional, Action: seccomp.ActionAllow},
		{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(syscall.ENOSYS)},
	}}
	if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Policy: policy}); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}
