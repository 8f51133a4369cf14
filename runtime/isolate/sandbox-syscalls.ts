/** The system calls that a function's process may make, by purpose; sandbox-refusals.ts names what is refused, and all others do not exist for it. */
import type { Rule, SeccompPolicy } from "#host/linux/seccomp.ts";
import type { SyscallName } from "#host/linux/syscalls.ts";
import { refusedSyscalls } from "./sandbox-refusals.ts";

const files: readonly SyscallName[] = [
  "read",
  "write",
  "open",
  "close",
  "stat",
  "fstat",
  "lstat",
  "lseek",
  "pread64",
  "pwrite64",
  "readv",
  "writev",
  "access",
  "fcntl",
  "flock",
  "fsync",
  "fdatasync",
  "truncate",
  "ftruncate",
  "getdents",
  "getdents64",
  "getcwd",
  "chdir",
  "fchdir",
  "rename",
  "mkdir",
  "rmdir",
  "link",
  "unlink",
  "symlink",
  "readlink",
  "chmod",
  "fchmod",
  "fchown",
  "umask",
  "statfs",
  "fstatfs",
  "sendfile",
  "readahead",
  "fadvise64",
  "fallocate",
  "openat",
  "mkdirat",
  "newfstatat",
  "unlinkat",
  "renameat",
  "renameat2",
  "linkat",
  "symlinkat",
  "readlinkat",
  "fchmodat",
  "fchmodat2",
  "faccessat",
  "faccessat2",
  "utimensat",
  "statx",
  "preadv",
  "pwritev",
  "preadv2",
  "pwritev2",
  "copy_file_range",
  "close_range",
  "dup",
  "dup2",
  "dup3",
  "sync",
  "splice",
  "getxattr",
  "lgetxattr",
  "fgetxattr",
  "listxattr",
  "llistxattr",
  "flistxattr",
];

const memory: readonly SyscallName[] = [
  "mmap",
  "mprotect",
  "munmap",
  "brk",
  "mremap",
  "msync",
  "mincore",
  "madvise",
  "mlock",
  "munlock",
  "membarrier",
  "memfd_create",
  "mseal",
];

const threadsAndSignals: readonly SyscallName[] = [
  "futex",
  "set_robust_list",
  "get_robust_list",
  "set_tid_address",
  "rseq",
  "gettid",
  "exit",
  "exit_group",
  "sched_yield",
  "sched_getaffinity",
  "sched_setaffinity",
  "sched_getparam",
  "sched_getscheduler",
  "sched_setscheduler",
  "sched_getattr",
  "sched_get_priority_max",
  "sched_get_priority_min",
  "getcpu",
  "getpriority",
  "setpriority",
  "rt_sigaction",
  "rt_sigprocmask",
  "rt_sigreturn",
  "rt_sigpending",
  "rt_sigtimedwait",
  "rt_sigsuspend",
  "sigaltstack",
  "kill",
  "tkill",
  "tgkill",
  "arch_prctl",
  // How the kernel goes on with a wait that a signal or a freeze interrupted.
  "restart_syscall",
];

const timeAndEvents: readonly SyscallName[] = [
  "clock_gettime",
  "clock_getres",
  "clock_nanosleep",
  "nanosleep",
  "gettimeofday",
  "timerfd_create",
  "timerfd_settime",
  "timerfd_gettime",
  "poll",
  "ppoll",
  "select",
  "pselect6",
  "epoll_create1",
  "epoll_ctl",
  "epoll_wait",
  "epoll_pwait",
  "epoll_pwait2",
  "eventfd2",
  "signalfd4",
  "pipe",
  "pipe2",
  "inotify_init1",
  "inotify_add_watch",
  "inotify_rm_watch",
];

const sockets: readonly SyscallName[] = [
  "connect",
  "accept",
  "accept4",
  "sendto",
  "recvfrom",
  "sendmsg",
  "recvmsg",
  "sendmmsg",
  "recvmmsg",
  "shutdown",
  "bind",
  "listen",
  "getsockname",
  "getpeername",
  "getsockopt",
];

const aboutItself: readonly SyscallName[] = [
  "getpid",
  "getppid",
  "getpgrp",
  "getuid",
  "geteuid",
  "getgid",
  "getegid",
  "getgroups",
  "getresuid",
  "getresgid",
  "capget",
  "uname",
  "sysinfo",
  "getrlimit",
  "setrlimit",
  "prlimit64",
  "getrusage",
  "getrandom",
  "wait4",
  "waitid",
  "pidfd_open",
  "pidfd_send_signal",
];

const namespaceFlags = 0x7e020000;
const threadFlag = 0x10000;
const solSocket = 1;
const emptyPath = 0x1000;

/** Calls allowed by their arguments only. */
const conditional: readonly Rule[] = [
  // Threads, never processes, never namespaces.
  { name: "clone", when: [[{ argument: 0, mask: namespaceFlags | threadFlag, oneOf: [threadFlag] }]] },
  // UNIX, INET and INET6; STREAM and DGRAM; the usual protocol, TCP or UDP.
  {
    name: "socket",
    when: [
      [
        { argument: 0, oneOf: [1, 2, 10] },
        { argument: 1, mask: 0xf, oneOf: [1, 2] },
        { argument: 2, oneOf: [0, 6, 17] },
      ],
    ],
  },
  { name: "socketpair", when: [[{ argument: 0, oneOf: [1] }]] },
  // No programs on sockets: SO_ATTACH_FILTER, SO_ATTACH_BPF and the two for SO_REUSEPORT.
  {
    name: "setsockopt",
    when: [[{ argument: 1, noneOf: [solSocket] }], [{ argument: 2, noneOf: [26, 50, 51, 52] }]],
  },
  // Thread names, memory names, and questions.
  { name: "prctl", when: [[{ argument: 0, oneOf: [3, 15, 16, 21, 23, 30, 39, 0x53564d41] }]] },
  // Questions about terminals and sockets, close-on-exec, non-blocking, copies within a file system.
  {
    name: "ioctl",
    when: [[{ argument: 1, oneOf: [0x5401, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451, 0x5452, 0x40049409] }]],
  },
];

const simple = [...files, ...memory, ...threadsAndSignals, ...timeAndEvents, ...sockets, ...aboutItself];
const refused = Object.keys(refusedSyscalls) as SyscallName[]; // Sound: the record's keys are of that type.

/** The filter under which the engine starts: it may still become its program by descriptor, and seal itself. */
export const bootPolicy: SeccompPolicy = {
  allowed: [
    ...simple.map((name): Rule => ({ name })),
    ...conditional,
    { name: "execveat", when: [[{ argument: 4, oneOf: [emptyPath] }]] },
    { name: "seccomp" },
  ],
  refused,
  others: "missing",
};

/** The filter that the engine adds before it knows any user code: from then on nothing runs another program. */
export const sealPolicy: SeccompPolicy = {
  allowed: [],
  refused: ["execve", "execveat", "seccomp"],
  others: "allowed",
};
