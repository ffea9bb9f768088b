//! Which errors each system call may return, by its page of the manual.

/// Not made to fail, each for one of these reasons: it cannot fail (`getpid` and its like); it ends the
/// process or thread; it is the allocator's, whose failure ends a Rust program by SIGABRT, which the
/// kills cover; or the C library alone makes it, for threads and signal stacks, and ignores the answer.
const LEFT_OUT: [&str; 28] = [
    "arch_prctl",
    "brk",
    "execve",
    "exit",
    "exit_group",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "gettid",
    "getuid",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "prctl",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "tgkill",
    "uname",
    "wait4",
];

/// The errors of the manual's pages. Left out of them: `EINTR` of `fcntl`, which only locks give; `EBADF` where the descriptor is our own (the
/// standard library takes it for a closed standard output and goes on), and of `clock_nanosleep` and
/// `rt_sigtimedwait` what only wrong arguments give, which the libraries assert.
const ERRORS: &[(&str, &str)] = &[
    (
        "shmget",
        "EACCES EEXIST EINVAL ENFILE ENOENT ENOMEM ENOSPC EPERM",
    ),
    ("shmat", "EACCES EIDRM EINVAL ENOMEM"),
    ("shmdt", "EINVAL"),
    (
        "shmctl",
        "EACCES EFAULT EIDRM EINVAL ENOMEM EOVERFLOW EPERM",
    ),
    ("semget", "EACCES EEXIST EINVAL ENOENT ENOMEM ENOSPC"),
    (
        "semop",
        "E2BIG EACCES EAGAIN EFAULT EFBIG EIDRM EINTR EINVAL ENOMEM ERANGE",
    ),
    ("semctl", "EACCES EFAULT EIDRM EINVAL EPERM ERANGE"),
    (
        "openat",
        "EACCES EDQUOT EEXIST EINTR EISDIR ELOOP EMFILE ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR \
         ENXIO EOVERFLOW EPERM EROFS ETXTBSY",
    ),
    ("close", "EDQUOT EINTR EIO ENOSPC"),
    ("read", "EAGAIN EFAULT EINTR EINVAL EIO EISDIR"),
    (
        "pread64",
        "EAGAIN EFAULT EINTR EINVAL EIO EISDIR ENXIO EOVERFLOW ESPIPE",
    ),
    (
        "write",
        "EAGAIN EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    ),
    (
        "pwrite64",
        "EAGAIN EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EOVERFLOW EPERM ESPIPE",
    ),
    ("lseek", "EINVAL ENXIO EOVERFLOW ESPIPE"),
    ("ftruncate", "EFBIG EINTR EINVAL EIO EPERM EROFS ETXTBSY"),
    ("fsync", "EDQUOT EINTR EINVAL EIO ENOSPC EROFS"),
    ("fdatasync", "EDQUOT EINTR EINVAL EIO ENOSPC EROFS"),
    (
        "newfstatat",
        "EACCES EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW",
    ),
    (
        "statx",
        "EACCES EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOSYS ENOTDIR EPERM",
    ),
    (
        "readlink",
        "EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR",
    ),
    (
        "access",
        "EACCES EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS",
    ),
    (
        "rename",
        "EACCES EBUSY EDQUOT EINVAL EIO ENOENT ENOMEM ENOSPC EPERM EROFS EXDEV",
    ),
    (
        "unlink",
        "EACCES EBUSY EIO EISDIR ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    ("fchmod", "EIO EPERM EROFS"),
    ("flock", "EAGAIN EINTR EINVAL ENOLCK"),
    ("fcntl", "EACCES EAGAIN EINVAL EMFILE ENOLCK EPERM"),
    ("ioctl", "EFAULT EINVAL ENOTTY"),
    ("poll", "EFAULT EINTR EINVAL ENOMEM"),
    ("ppoll", "EFAULT EINTR EINVAL ENOMEM"),
    ("eventfd2", "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    ("signalfd4", "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    ("pipe2", "EFAULT EINVAL EMFILE ENFILE"),
    (
        "socketpair",
        "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    ),
    ("sendto", "EAGAIN EINTR EINVAL ENOBUFS ENOMEM EPIPE"),
    ("recvfrom", "EAGAIN ECONNREFUSED EFAULT EINTR EINVAL ENOMEM"),
    ("clone", "EAGAIN ENOMEM ENOSPC EPERM"),
    ("clone3", "EAGAIN ENOMEM ENOSPC EPERM"),
    ("madvise", "EACCES EAGAIN EINVAL EIO ENOMEM EPERM"),
    ("membarrier", "EINVAL ENOSYS EPERM"),
    ("getrandom", "EAGAIN EFAULT EINTR EINVAL ENOSYS"),
    ("clock_nanosleep", "EINTR"),
    ("futex", "EAGAIN EINTR"),
    ("rt_sigprocmask", "EFAULT EINVAL"),
    ("rt_sigaction", "EFAULT EINVAL"),
    ("rt_sigtimedwait", "EINTR"),
    ("sched_setaffinity", "EFAULT EINVAL EPERM"),
];

/// For a call that the table does not know: what most of them may return.
const USUAL: &str = "EACCES EAGAIN EINTR EINVAL EIO ENOMEM ENOSPC EPERM";

/// Ends of a process that may come at any call, and must lose nothing either.
pub const SIGNALS: [&str; 2] = ["SIGKILL", "SIGTERM"];

/// Names a call as people know it: the C library's `semop` is the kernel's `semtimedop`.
pub fn known_name(call: &str) -> &str {
    match call {
        "semtimedop" => "semop",
        "fstat" => "newfstatat",
        "renameat" | "renameat2" => "rename",
        "unlinkat" => "unlink",
        "readlinkat" => "readlink",
        call => call,
    }
}

/// Names for strace all that are the same call.
pub fn all_names(call: &str) -> &str {
    match call {
        "semop" => "semop,semtimedop",
        "newfstatat" => "newfstatat,fstat",
        "rename" => "/^rename",
        "unlink" => "/^unlink",
        "readlink" => "/^readlink",
        call => call,
    }
}

/// Tells whether a call is one to fail.
pub fn can_fail(call: &str) -> bool {
    !LEFT_OUT.contains(&call)
}

/// Returns the errors that a call may return.
pub fn errors(call: &str) -> impl Iterator<Item = &'static str> {
    let known = ERRORS.iter().find(|(name, _)| *name == call);
    known.map_or(USUAL, |(_, errors)| errors).split_whitespace()
}
