/* What must happen in one native call, with no JavaScript in between: system calls with their errno, sockets made in another
 * network namespace, births of processes, and the thread that waits for readiness. Compiled by bun:ffi; not a place for logic. */
typedef unsigned long u64;
extern long syscall(long number, ...);
extern int *__errno_location(void);
extern void abort(void);
extern void *malloc(u64 bytes);
extern void free(void *memory);
extern int clone(int (*entry)(void *), void *stack, int flags, void *argument, ...);
extern int pthread_create(u64 *thread, const void *attributes, void *(*entry)(void *), void *argument);
extern int pthread_detach(u64 thread);

enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_sigaction = 13, SYS_sigprocmask = 14, SYS_socket = 41, SYS_sendmsg = 46,
       SYS_recvmsg = 47, SYS_exit = 60, SYS_epoll_wait = 232, SYS_openat = 257, SYS_unshare = 272, SYS_setns = 308 };
enum { NEWPID = 0x20000000, NEWNET = 0x40000000, SIG_SETMASK = 2, EINTR = 4 };

static long outcome(long result) { return result == -1 ? -(long)*__errno_location() : result; }

/* Any system call: the result, or the negative errno. */
long call(long number, long a, long b, long c, long d, long e, long f) {
  return outcome(syscall(number, a, b, c, d, e, f));
}

/* A socket in the network namespace `there`; a thread that could not come back to `home` must not go on. */
long socket_in(int there, int home, int family, int type, int protocol) {
  long made = outcome(syscall(SYS_setns, there, NEWNET));
  if (made < 0) return made;
  made = outcome(syscall(SYS_socket, family, type, protocol));
  if (syscall(SYS_setns, home, NEWNET)) abort();
  return made;
}

/* A new network namespace, held by the descriptor returned. */
long make_network_namespace(int home) {
  long made = outcome(syscall(SYS_unshare, NEWNET));
  if (made < 0) return made;
  made = outcome(syscall(SYS_openat, -100, "/proc/thread-self/ns/net", 02000000));
  if (syscall(SYS_setns, home, NEWNET)) abort();
  return made;
}

/* A birth is a list of system calls that the child makes before the last of them, execveat, turns it into the program. */
struct step { u64 number, arguments[6], may_fail; };
struct birth { struct step *steps; long count; long failed; long error; };

static int child(void *given) {
  struct birth *birth = given;
  u64 by_default[4] = {0, 0, 0, 0}, none = 0;
  int signal;
  long i, result;
  for (signal = 1; signal <= 64; signal++) syscall(SYS_sigaction, signal, by_default, 0, 8);
  syscall(SYS_sigprocmask, SIG_SETMASK, &none, 0, 8);
  for (i = 0; i < birth->count; i++) {
    u64 *a = birth->steps[i].arguments;
    result = outcome(syscall(birth->steps[i].number, a[0], a[1], a[2], a[3], a[4], a[5]));
    if (result >= 0 || birth->steps[i].may_fail) continue;
    birth->failed = i;
    birth->error = -result;
    break;
  }
  for (;;) syscall(SYS_exit, 127);
}

/* Gives birth: the caller's thread waits until the child has become its program or failed, and never changes its own namespaces.
 * `out` receives the pidfd, and which step failed with which errno. Signals stay blocked while the child shares our memory.
 * `pids` is the pid namespace to be born into, or -1: it is the caller's for its children only, and for the length of this call. */
long born(struct step *steps, long count, int flags, int pids, long *out) {
  enum { STACK = 65536, VM = 0x100, PIDFD = 0x1000, VFORK = 0x4000, CHILD_SIGNAL = 17 };
  struct birth birth = { steps, count, -1, 0 };
  u64 all = ~0ul, before = 0;
  int pidfd = -1;
  long pid = 0, home = -1;
  char *stack = malloc(STACK);
  if (!stack) return -12;
  if (pids >= 0) {
    home = outcome(syscall(SYS_openat, -100, "/proc/thread-self/ns/pid", 02000000));
    pid = home < 0 ? home : outcome(syscall(SYS_setns, pids, NEWPID));
  }
  if (pid >= 0) {
    syscall(SYS_sigprocmask, SIG_SETMASK, &all, &before, 8);
    pid = outcome(clone(child, (void *)(((u64)stack + STACK) & ~15ul), flags | VM | VFORK | PIDFD | CHILD_SIGNAL, &birth, &pidfd, (void *)0, (void *)0));
    if (home >= 0 && syscall(SYS_setns, home, NEWPID)) abort();
    syscall(SYS_sigprocmask, SIG_SETMASK, &before, 0, 8);
  }
  if (home >= 0) syscall(SYS_close, home);
  free(stack);
  out[0] = pidfd;
  out[1] = birth.failed;
  out[2] = birth.error;
  return pid;
}

struct message { void *name; u64 name_bytes; void *vector; u64 vectors; void *control; u64 control_bytes; u64 flags; };
struct vector { const void *data; u64 bytes; };
struct control { u64 bytes; int level, type; int fds[254]; };
enum { SOL_SOCKET = 1, SCM_RIGHTS = 1, HEADER = 16, MSG_CTRUNC = 8, MSG_TRUNC = 0x20 };

/* Sends one message with up to 253 descriptors. */
long send_message(int socket, const void *data, long bytes, const int *fds, int count) {
  struct vector vector = { data, bytes };
  struct control control;
  struct message message = { 0, 0, &vector, 1, 0, 0, 0 };
  int i;
  if (count > 0) {
    control.bytes = HEADER + 4 * count;
    control.level = SOL_SOCKET;
    control.type = SCM_RIGHTS;
    for (i = 0; i < count; i++) control.fds[i] = fds[i];
    message.control = &control;
    message.control_bytes = (control.bytes + 7) & ~7ul;
  }
  return outcome(syscall(SYS_sendmsg, socket, &message, 0x4040)); /* MSG_DONTWAIT | MSG_NOSIGNAL */
}

/* Receives one message. `out`: 1 when it was cut, then how many descriptors were kept, then they. The rest are closed. */
long receive_message(int socket, void *data, long bytes, int *out, int most) {
  struct vector vector = { data, bytes };
  struct control control;
  struct message message = { 0, 0, &vector, 1, &control, sizeof control, 0 };
  long result;
  int i, came = 0;
  control.bytes = 0;
  result = outcome(syscall(SYS_recvmsg, socket, &message, 0x40000040)); /* MSG_CMSG_CLOEXEC | MSG_DONTWAIT */
  out[0] = out[1] = 0;
  if (result < 0) return result;
  if (message.control_bytes >= HEADER && control.level == SOL_SOCKET && control.type == SCM_RIGHTS) came = (control.bytes - HEADER) / 4;
  out[0] = (message.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || came > most;
  for (i = 0; i < came; i++) {
    if (i < most) out[2 + out[1]++] = control.fds[i];
    else syscall(SYS_close, control.fds[i]);
  }
  return result;
}

/* The thread behind a poller: what epoll reports goes, as 8-byte marks, into a stream that the engine reads. Mark 0 ends it. */
struct waiting { int epoll, out, end; };

static int pass_on(int out, const char *data, long bytes) {
  while (bytes > 0) {
    long took = outcome(syscall(SYS_write, out, data, bytes));
    if (took == -EINTR) continue;
    if (took <= 0) return 0;
    data += took;
    bytes -= took;
  }
  return 1;
}

static void *wait_for_readiness(void *given) {
  struct waiting waiting = *(struct waiting *)given;
  char events[64 * 12];
  u64 marks[64];
  long i, count, going = 1;
  free(given);
  while (going) {
    count = outcome(syscall(SYS_epoll_wait, waiting.epoll, events, 64, -1));
    if (count == -EINTR) continue;
    if (count < 0) break;
    for (i = 0; i < count; i++) {
      marks[i] = *(u64 *)(events + i * 12 + 4);
      if (!marks[i]) going = 0;
    }
    if (!pass_on(waiting.out, (char *)marks, count * 8)) break;
  }
  syscall(SYS_close, waiting.out);
  syscall(SYS_close, waiting.epoll);
  syscall(SYS_close, waiting.end);
  return 0;
}

/* Starts that thread with every signal blocked: the engine's signals are for the engine's threads. It owns the descriptors. */
long start_waiting(int epoll, int out, int end) {
  u64 thread, all = ~0ul, before = 0;
  int failed;
  struct waiting *waiting = malloc(sizeof *waiting);
  if (!waiting) return -12;
  waiting->epoll = epoll;
  waiting->out = out;
  waiting->end = end;
  syscall(SYS_sigprocmask, SIG_SETMASK, &all, &before, 8);
  failed = pthread_create(&thread, 0, wait_for_readiness, waiting);
  syscall(SYS_sigprocmask, SIG_SETMASK, &before, 0, 8);
  if (failed) free(waiting);
  else pthread_detach(thread);
  return -failed;
}
