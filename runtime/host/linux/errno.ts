/** Names of the kernel's error numbers and the error that carries one; what a failure means to its caller is not decided here. */
import { MeshError, type MeshErrorCode } from "#host/mesh-error.ts";

const names: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  7: "E2BIG",
  8: "ENOEXEC",
  9: "EBADF",
  10: "ECHILD",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  25: "ENOTTY",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  32: "EPIPE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  71: "EPROTO",
  88: "ENOTSOCK",
  90: "EMSGSIZE",
  92: "ENOPROTOOPT",
  93: "EPROTONOSUPPORT",
  94: "ESOCKTNOSUPPORT",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  103: "ECONNABORTED",
  104: "ECONNRESET",
  105: "ENOBUFS",
  106: "EISCONN",
  107: "ENOTCONN",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
  114: "EALREADY",
  115: "EINPROGRESS",
  125: "ECANCELED",
};

const codes: Readonly<Record<string, MeshErrorCode>> = {
  EPERM: "not-permitted",
  EACCES: "not-permitted",
  ENOENT: "not-found",
  ESRCH: "not-found",
  EEXIST: "already-exists",
  EADDRINUSE: "already-exists",
  ETIMEDOUT: "timeout",
  EMFILE: "limit-reached",
  ENFILE: "limit-reached",
  ENOSPC: "limit-reached",
  EAGAIN: "limit-reached",
  ENOMEM: "limit-reached",
  ECONNREFUSED: "unavailable",
  ENETUNREACH: "unavailable",
  EHOSTUNREACH: "unavailable",
};

/** The name of an error number, such as `EPERM`; an unknown one reads `errno 200`. */
export function errnoName(errno: number): string {
  return names[errno] ?? `errno ${errno}`;
}

/** The kernel refused a call. */
export class LinuxError extends MeshError {
  /** Such as `EPERM`. */
  readonly errno: string;

  /** @param what the sentence's beginning: "Cannot <do> <what>" */
  constructor(what: string, errno: number) {
    const name = errnoName(errno);
    super(codes[name] ?? "io-failed", `${what}: ${name}`);
    this.errno = name;
  }
}

/** Whether something thrown is the kernel's refusal with that name. */
export function isErrno(error: unknown, errno: string): boolean {
  return error instanceof LinuxError && error.errno === errno;
}
