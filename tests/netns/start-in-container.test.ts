/** Commands in a process's namespaces, root and control group: what they see, their streams, terminals, ends. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeFd, closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { type Child, signals, spawnChild } from "#host/linux/spawn.ts";
import type { ContainerStreams } from "../../k8s/node/kubelet/container-access.ts";
import { findSession } from "../../k8s/node/streams/find-session.ts";
import {
  type CommandRequest,
  type ContainerPlace,
  startInContainer,
} from "../../k8s/node/streams/start-in-container.ts";
import { readDescriptor } from "../../k8s/node/streams/pipe-streams.ts";
import { openTerminal } from "../../k8s/node/streams/terminal.ts";
import { waitUntil } from "../support/wait-until.ts";

let libc: Libc;
let poller: Poller;
let cgroup: Cgroup;
let container: Child;
let place: ContainerPlace;
const folder = mkdtempSync(join(tmpdir(), "lambient-streams-"));

beforeAll(async () => {
  libc = openLibc();
  poller = await openPoller(libc);
  cgroup = openCgroup(readCgroupMounts(), `lambient-streams-${process.pid}`);
  container = spawnChild(libc, poller, {
    executable: "/bin/sleep",
    args: ["300"],
    env: {},
    fds: new Map(),
    newNamespaces: ["pid", "network", "uts", "ipc", "mount"],
    before: [
      { what: "Cannot name the host", name: "sethostname", args: ["pod-1", 5] },
      // MS_REC | MS_PRIVATE: what is mounted here must not appear on the machine.
      { what: "Cannot keep mounts private", name: "mount", args: ["none", "/", 0, 0x44000, 0] },
      { what: "Cannot mount /proc", name: "mount", args: ["proc", "/proc", "proc", 0, 0] },
    ],
  });
  await cgroup.join(container.pid);
  place = {
    pid: container.pid,
    cgroup,
    env: { PATH: "/usr/bin:/bin", COLOUR: "green" },
    workingDir: "/usr",
    uid: 0,
    last: [
      { what: "Cannot change the group", name: "setresgid", args: [1234, 1234, 1234] },
      { what: "Cannot change the user", name: "setresuid", args: [1234, 1234, 1234] },
    ],
  };
});

afterAll(async () => {
  cgroup.kill();
  await container.exited;
  await cgroup.remove(5000);
  poller.close();
  closeLibc(libc);
  rmSync(folder, { recursive: true });
});

function start(request: Partial<CommandRequest> & { command: string[] }): Promise<ContainerStreams> {
  return startInContainer({ libc, poller }, place, { tty: false, stdin: false, ...request });
}

async function run(command: string[]): Promise<{ out: string; err: string; exit: unknown }> {
  const streams = await start({ command });
  const [out, err, exit] = await Promise.all([
    new Response(streams.stdout).text(),
    new Response(streams.stderr).text(),
    streams.exited,
  ]);
  return { out, err, exit };
}

test("a command is in the container's namespaces, folder and environment, as its user", async () => {
  const script =
    'hostname; pwd; id -u; id -g; echo "$COLOUR $TERM"; echo oops >&2; ls /proc | grep -c "^[0-9]"; exit 7';
  const { out, err, exit } = await run(["sh", "-c", script]);
  const [host, where, uid, gid, env, processes] = out.split("\n");
  expect({ host, where, uid, gid, env, err, exit }).toEqual({
    host: "pod-1",
    where: "/usr",
    uid: "1234",
    gid: "1234",
    env: "green ",
    err: "oops\n",
    exit: { kind: "exited", code: 7 },
  });
  expect(Number(processes)).toBeLessThan(10);
  const links = await run(["sh", "-c", "readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt"]);
  const kinds = ["net", "pid", "mnt"];
  expect(links.out.trim().split("\n")).toEqual(
    kinds.map((kind) => readlinkSync(`/proc/${container.pid}/ns/${kind}`)),
  );
});

test("a command is in the container's control group and holds no descriptor of ours", async () => {
  const streams = await start({ command: ["sh", "-c", "ls /proc/self/fd | wc -l; cat"], stdin: true });
  const [leader] = cgroup.pids().filter((pid) => pid !== container.pid);
  expect(leader === undefined ? "" : readFileSync(`/proc/${leader}/cgroup`, "utf8")).toContain(cgroup.path);
  await streams.stdin?.close();
  // 0, 1, 2 and the one with which ls reads the folder.
  expect(await new Response(streams.stdout).text()).toBe("4\n");
  expect(await streams.exited).toEqual({ kind: "exited", code: 0 });
});

test("what cannot be run is told in its own words", async () => {
  const rows: [string[], string, string][] = [
    [["nothing-like-this"], "bad-input", 'exec: "nothing-like-this": executable file not found in $PATH'],
    [["/nothing/here"], "bad-input", 'exec: "/nothing/here": ENOENT'],
    [["/etc"], "bad-input", 'exec: "/etc": EACCES'],
  ];
  for (const [command, code, message] of rows) {
    const thrown = await start({ command }).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code, message });
  }
});

test("bytes pass both ways whole and no faster than they are read", async () => {
  const streams = await start({ command: ["cat"], stdin: true });
  const piece = new Uint8Array(1 << 16).map((_, i) => i * 7);
  const pieces = 64;
  const writer = streams.stdin?.getWriter();
  let written = 0;
  const writing = (async () => {
    for (let i = 0; i < pieces; i++) {
      await writer?.write(piece);
      written++;
    }
    await writer?.close();
  })();
  await waitUntil("a piece is written", () => written > 0);
  // The pipes hold 64 KiB each: nothing more is taken while nobody reads.
  expect(written).toBeLessThan(8);
  const bytes = new Uint8Array(await new Response(streams.stdout).arrayBuffer());
  await writing;
  expect(bytes.length).toBe(pieces << 16);
  expect(bytes.every((byte, i) => byte === ((i % (1 << 16)) * 7) % 256)).toBe(true);
  expect(await streams.exited).toEqual({ kind: "exited", code: 0 });
});

test("a terminal has the size it is given, hears of another, and ends its input by a character", async () => {
  const script =
    'test -t 0 && test -t 1 && test -t 2 && stty size; trap "stty size" WINCH; while read x; do echo "<$x>"; done; echo end';
  const streams = await start({
    command: ["bash", "-c", script],
    tty: true,
    stdin: true,
    size: { columns: 91, rows: 17 },
  });
  let shown = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of streams.stdout) shown += decoder.decode(bytes, { stream: true });
  })();
  const writer = streams.stdin?.getWriter();
  await waitUntil("the size is shown", () => shown.includes("17 91"));
  streams.resize({ columns: 120, rows: 40 });
  await writer?.write(Buffer.from("one\n"));
  await waitUntil("the new size is shown", () => shown.includes("40 120") && shown.includes("<one>"));
  await writer?.close();
  await reading;
  expect(shown).toContain("end");
  expect(streams.stderr).toBeUndefined();
  expect(await streams.exited).toEqual({ kind: "exited", code: 0 });
});

test("where a container has no terminals of its own, one of the node's serves", async () => {
  const { ours, theirs } = openTerminal(libc, folder, { columns: 7, rows: 5 });
  const leaving = new AbortController();
  const reader = readDescriptor({ libc, poller }, ours, leaving.signal).getReader();
  libc.call("Cannot write to a terminal", "write", theirs, Buffer.from("shown"), 5);
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("shown");
  // The last one who had it is gone: that is its end.
  closeFd(libc, theirs);
  expect((await reader.read()).done).toBe(true);
  mkdirSync(join(folder, "dev/pts"), { recursive: true });
  writeFileSync(join(folder, "dev/pts/ptmx"), "no terminal");
  expect(() => openTerminal(libc, folder, undefined)).toThrow("Cannot make a terminal: ENOTTY");
});

test.each([true, false])("letting go leaves no process, terminal %p", async (tty) => {
  const script = "trap '' HUP TERM; sleep 301 & sleep 302 & echo up; wait";
  const streams = await start({ command: ["sh", "-c", script], tty, stdin: true });
  const reader = streams.stdout.getReader();
  await reader.read();
  const leader = cgroup.pids().filter((pid) => pid !== container.pid)[0] ?? 0;
  expect(findSession(leader).length).toBe(3);
  streams.close();
  expect(await streams.exited).toEqual({ kind: "signaled", signal: signals.kill });
  await waitUntil("the session is empty", () => findSession(leader).length === 0);
  // What is left there has ended: nobody but the container's own first process could reap it.
  expect(cgroup.pids().filter((pid) => isAlive(pid))).toEqual([container.pid]);
});

function isAlive(pid: number): boolean {
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
