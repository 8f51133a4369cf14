/** Containers as processes: their roots of both kinds, what they see of the machine, their privileges, their mounts, their streams. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { type Child, type ExitStatus, signals } from "#host/linux/spawn.ts";
import type { Container } from "../../k8s/model/container.ts";
import { readPrivileges } from "../../k8s/node/kubelet/container-privileges.ts";
import { startContainer } from "../../k8s/node/kubelet/container-process.ts";
import type { ContainerRootOptions, RootKind } from "../../k8s/node/kubelet/container-root.ts";
import {
  findStreams,
  openInput,
  openStreams,
  type OurStreams,
  type StreamWish,
} from "../../k8s/node/kubelet/container-streams.ts";
import { openTree } from "../../k8s/node/kubelet/detached-tree.ts";

import { waitUntil } from "../support/wait-until.ts";

let libc: Libc;
let poller: Poller;
let network: NetworkNamespace;
let cgroup: Cgroup;
let folder: string;
let runs = 0;

beforeAll(async () => {
  libc = openLibc();
  poller = await openPoller(libc);
  network = makeNetworkNamespace(libc);
  folder = mkdtempSync(join(tmpdir(), "containers-"));
  cgroup = openCgroup(readCgroupMounts(), `containers-${process.pid}`, { processesMax: 64 });
});

afterAll(async () => {
  cgroup.kill();
  await cgroup.remove(2000);
  network.close();
  poller.close();
  closeLibc(libc);
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: ExitStatus;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly child: Child;
  readonly ours: OurStreams;
  readonly folder: string;
}

/** Starts a command in a container of its own. */
function start(
  command: readonly string[],
  root: Partial<ContainerRootOptions>,
  wish: Partial<Container> & StreamWish,
): Started {
  const privileges = readPrivileges({ containers: [] }, { name: "c", ...wish });
  if (!privileges.ok) throw new Error(privileges.error);
  const own = join(folder, `${runs++}`);
  const { ours, theirs } = openStreams(libc, own, wish);
  const base = {
    kind: "overlay",
    layerBytesMax: 1 << 20,
    hidden: [],
    mounts: [],
    isReadOnly: false,
  } as const;
  try {
    const child = startContainer(
      { libc, poller },
      {
        command,
        env: { PATH: "/usr/bin:/bin", GREETING: "hello" },
        workingDir: "/",
        hostname: "pod-0",
        privileges: privileges.value,
        root: { ...base, workingDir: "/", ...root },
        members: cgroup.memberFiles({ processesMax: 64 }),
        networkFd: network.fd,
        streams: theirs,
      },
    );
    return { child, ours, folder: own };
  } finally {
    for (const fd of theirs.values()) closeSync(fd);
  }
}

/** Runs a script in a container of its own to its end. */
async function run(
  script: string,
  root: Partial<ContainerRootOptions> = {},
  wish: Partial<Container> = {},
  command: readonly string[] = ["sh", "-c", script],
): Promise<Ran> {
  const { child, ours } = start(command, root, wish);
  const status = await child.exited;
  return { status, stdout: readAll(ours.stdout), stderr: readAll(ours.stderr ?? -1) };
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(64 << 10);
  const length = readSync(fd, buffer);
  closeSync(fd);
  return buffer.toString("utf8", 0, length);
}

describe.each<RootKind>(["overlay", "bound"])("a root of kind %s", (kind) => {
  test("has the machine's programs, and devices, processes and a name of its own", async () => {
    const script =
      "echo $GREETING $$; hostname; ls /dev; ls /proc | grep -c '^[0-9]'; echo x > /dev/null; ls /sys | head -1";
    const { status, stdout, stderr } = await run(script, { kind });
    expect({ status, stderr }).toEqual({ status: { kind: "exited", code: 0 }, stderr: "" });
    const [greeting, hostname, ...rest] = stdout.split("\n");
    expect([greeting, hostname]).toEqual(["hello 1", "pod-0"]);
    expect(rest.slice(0, -3)).toEqual([
      "fd",
      "full",
      "mqueue",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
    ]);
  });

  test("hides what is the machine's alone", async () => {
    const secret = join(folder, "secret");
    mkdirSync(secret, { recursive: true });
    writeFileSync(join(secret, "key"), "s");
    const looks = `cat ${secret}/key; wc -c < /etc/shadow; ls -A /root /home /tmp | grep -v ':' | grep -c .`;
    const { stdout, stderr } = await run(looks, { kind, hidden: [secret] });
    expect(stdout).toBe("0\n0\n");
    expect(stderr).toContain("No such file");
  });

  test("cannot be used to change the kernel's settings", async () => {
    const { stderr } = await run(
      "echo x > /proc/sys/kernel/domainname; echo b > /proc/sysrq-trigger; echo 1 > /sys/kernel/x",
      { kind },
    );
    expect(
      stderr.split("\n").filter((line) => line.includes("Read-only file system")).length,
    ).toBeGreaterThanOrEqual(2);
  });

  test("has what is mounted into it", async () => {
    const volume = join(folder, `volume-${kind}`);
    mkdirSync(join(volume, "deep"), { recursive: true });
    writeFileSync(join(volume, "file"), "content");
    const mounts = [
      { treeFd: openTree(libc, volume, { isReadOnly: true }), target: "/tmp/a/b", isFolder: true },
      {
        treeFd: openTree(libc, join(volume, "file"), { isReadOnly: false }),
        target: "/run/one",
        isFolder: false,
      },
    ];
    const { stdout, stderr } = await run("cat /tmp/a/b/file /run/one; touch /tmp/a/b/new", { kind, mounts });
    for (const { treeFd } of mounts) closeSync(treeFd);
    expect(stdout).toBe("contentcontent");
    expect(stderr).toContain("Read-only file system");
  });
});

test("an overlay takes changes and drops them, unless it is read-only", async () => {
  expect((await run("echo x > /usr/own && rm /bin/true && cat /usr/own")).stdout).toBe("x\n");
  expect(existsSync("/usr/own")).toBe(false);
  expect((await run("echo x > /usr/own", { isReadOnly: true })).stderr).toContain("Read-only file system");
});

test("its layer is bounded", async () => {
  expect((await run("head -c 3000000 /dev/zero > /usr/big")).stderr).toContain("No space left");
});

test.each<[string, Partial<Container>, string]>([
  ["root has a few capabilities", {}, "0 0 00000000a00405fb 0"],
  [
    "what is asked for comes on top",
    { securityContext: { capabilities: { add: ["NET_ADMIN"], drop: ["CAP_CHOWN"] } } },
    "0 0 00000000a00415fa 0",
  ],
  [
    "none",
    { securityContext: { capabilities: { drop: ["ALL"] }, allowPrivilegeEscalation: false } },
    "0 0 0000000000000000 1",
  ],
  [
    "another user has none in effect",
    { securityContext: { runAsUser: 1234, runAsGroup: 99 } },
    "1234 99 0000000000000000 0",
  ],
])("privileges: %s", async (_name, wish, want) => {
  const script = "echo $(id -u) $(id -g) $(sed -n 's/CapEff:.//p; s/NoNewPrivs:.//p' /proc/self/status)";
  expect((await run(script, {}, wish)).stdout).toBe(`${want}\n`);
});

test.each<[string, Partial<Container>]>([
  ["privileged", { securityContext: { privileged: true } }],
  ["an unknown capability", { securityContext: { capabilities: { add: ["FLY"] } } }],
  ["a capability that owns the machine", { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }],
  ["root where it must not be", { securityContext: { runAsNonRoot: true } }],
])("readPrivileges() refuses %s", (_name, wish) => {
  expect(readPrivileges({ containers: [] }, { name: "c", ...wish }).ok).toBe(false);
});

test("a program is looked for where the container says, and its absence is told", async () => {
  expect((await run("", {}, {}, ["id", "-u"])).stdout).toBe("0\n");
  expect(run("", {}, {}, ["no-such-program"])).rejects.toThrow("Cannot start");
  expect(run("", {}, {}, ["/etc"])).rejects.toThrow("EACCES");
});

test("a path within a volume does not lead out of it", () => {
  const volume = join(folder, "trap");
  mkdirSync(join(volume, "in"), { recursive: true });
  symlinkSync("/etc", join(volume, "out"));
  symlinkSync("in", join(volume, "alias"));
  closeSync(openTree(libc, volume, { isReadOnly: true, below: "alias" }));
  expect(() => openTree(libc, volume, { isReadOnly: true, below: "out" })).toThrow("EXDEV");
  expect(() => openTree(libc, volume, { isReadOnly: true, below: "../.." })).toThrow("EXDEV");
});

/** Reads what comes until it holds the text. */
async function readUntil(fd: number, wanted: string): Promise<string> {
  let text = "";
  const buffer = Buffer.alloc(4096);
  await waitUntil(`${JSON.stringify(wanted)} is read`, () => {
    const length = libc.attempt("read", fd, buffer, buffer.length);
    if (length > 0) text += buffer.toString("utf8", 0, length);
    return text.includes(wanted);
  });
  return text;
}

test("a container with a terminal controls it, and its other end is found again", async () => {
  const {
    child,
    ours,
    folder: own,
  } = start(
    ["sh", "-c", "tty -s && echo terminal; read line; echo got $line"],
    {},
    { tty: true, stdin: true },
  );
  expect(await readUntil(ours.stdout, "terminal")).toContain("terminal");
  for (const fd of [ours.stdout, ours.input ?? -1]) closeSync(fd);
  const again = findStreams(libc, own, { tty: true }, child.pid);
  writeSync(again.input ?? -1, "word\n");
  expect(await readUntil(again.stdout, "got word")).toContain("got word");
  expect(await child.exited).toEqual({ kind: "exited", code: 0 });
  for (const fd of [again.stdout, again.input ?? -1]) closeSync(fd);
});

test("an input that is given once ends when it is closed", async () => {
  const { child, ours } = start(["cat"], {}, { stdin: true, stdinOnce: true });
  writeSync(ours.input ?? -1, "all of it");
  closeSync(ours.input ?? -1);
  expect(await child.exited).toEqual({ kind: "exited", code: 0 });
  expect(readAll(ours.stdout)).toBe("all of it");
});

test("an input that stays open takes more from whoever opens it", async () => {
  const { child, ours, folder: own } = start(["sh", "-c", "read a; read b; echo $a $b"], {}, { stdin: true });
  for (const line of ["one\n", "two\n"]) {
    const input = openInput(own);
    writeSync(input, line);
    closeSync(input);
  }
  await child.exited;
  expect(readAll(ours.stdout)).toBe("one two\n");
});

test("what a container writes while nobody reads waits", async () => {
  const {
    child,
    ours,
    folder: own,
  } = start(["sh", "-c", "sleep 0.1; head -c 100000 /dev/zero; echo end >&2; sleep 1000"], {}, {});
  for (const fd of [ours.stdout, ours.stderr ?? -1]) closeSync(fd);
  const again = findStreams(libc, own, {}, child.pid);
  await readUntil(again.stderr ?? -1, "end");
  let bytes = 0;
  const buffer = Buffer.alloc(64 << 10);
  for (let length = 1; length > 0; bytes += Math.max(length, 0)) {
    length = libc.attempt("read", again.stdout, buffer, buffer.length);
  }
  expect(bytes).toBe(100_000);
  child.signal(signals.kill);
  await child.exited;
});
