/** Real kubectl's logs, exec, attach and port-forward through the API to a container that runs; the kubelet before it is scripted, all else is real. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { closeFd } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { spawnChild } from "#host/linux/spawn.ts";
import { readDescriptor } from "../../k8s/node/streams/pipe-streams.ts";
import { openTerminal, resizeTerminal } from "../../k8s/node/streams/terminal.ts";
import { findKubernetesProgram, findOldKubectl, howToGetPeers } from "../support/kube-peers.ts";
import { openStreamScene, type StreamScene } from "../support/stream-scene.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let scene: StreamScene;
beforeAll(async () => {
  scene = await openStreamScene();
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
});

const clients = [
  ["1.20", findOldKubectl()],
  ["1.37", findKubernetesProgram("kubectl")],
] as const;

const mebibyte = 1 << 20;

for (const [client, path] of clients) {
  const isThere = path !== undefined;
  const name = isThere ? `kubectl ${client}` : `kubectl ${client}: not on this machine; ${howToGetPeers}`;
  describe.skipIf(!isThere)(name, () => describeClient(client, path ?? "/nowhere"));
}

function describeClient(client: string, path: string): void {
  const start = (args: readonly string[], stdin: Bun.SpawnOptions.Readable | "pipe" | Blob = "ignore") =>
    Bun.spawn([path, ...args], { env: env(), stdin, stdout: "pipe", stderr: "pipe" });
  const run = async (args: readonly string[], input?: string) => {
    const child = start(args, input === undefined ? "ignore" : new Blob([input]));
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    // Which container was meant, or how to begin, is said by some versions only.
    const said = err
      .split("\n")
      .filter((line) => !/^(Defaulted|Defaulting|If you don't|All commands)/.test(line));
    return { out, err: said.join("\n").trim(), code };
  };
  const inMain = ["talker", "-c", "main"];
  const exec = (...command: string[]): string[] => ["exec", ...inMain, "--", ...command];

  test("logs show what was written, as much of it as is asked for", async () => {
    for (const text of ["one", "two", "three"]) scene.log(`${client} ${text}`);
    const { out } = await run(["logs", ...inMain, "--tail=2"]);
    expect(out).toBe(`${client} two\n${client} three\n`);
    const timed = await run(["logs", ...inMain, "--tail=1", "--timestamps"]);
    expect(timed.out).toMatch(/^2026-01-01T\d\d:\d\d:\d\d\.0{9}Z 1\.\d+ three\n$/);
    const short = await run(["logs", ...inMain, "--tail=1", "--limit-bytes=4"]);
    expect(short.out).toBe(client);
    const since = await run(["logs", ...inMain, "--since-time=2030-01-01T00:00:00Z"]);
    expect(since).toEqual({ out: "", err: "", code: 0 });
  });

  test("logs -f goes on as lines come, and is ended by the client", async () => {
    scene.log(`${client} before`);
    const child = start(["logs", "-f", "--tail=1", ...inMain]);
    let out = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of child.stdout) out += decoder.decode(bytes, { stream: true });
    })();
    await waitUntil("the first line", () => out.includes("before"));
    scene.log(`${client} after`);
    await waitUntil("the next line", () => out.includes("after"));
    expect(out).toBe(`${client} before\n${client} after\n`);
    child.kill("SIGINT");
    await Promise.all([child.exited, reading]);
    await waitUntil("the node is let go", () => scene.server.open === 0);
  });

  const refused: [string, string[], RegExp][] = [
    [
      "of one that waits",
      ["logs", "talker", "-c", "idle"],
      /\(BadRequest\): container "idle" in pod "talker" is waiting to start: ContainerCreating/,
    ],
    [
      "of the instance before the first",
      ["logs", ...inMain, "-p"],
      /\(BadRequest\): previous terminated container "main" in pod "talker" not found/,
    ],
    ["of none", ["logs", "talker", "-c", "none"], /container none is not valid for pod talker/],
    ["of no Pod", ["logs", "nobody"], /\(NotFound\): pods "nobody" not found/],
    [
      "a command in one that waits",
      ["exec", "talker", "-c", "idle", "--", "ls"],
      /unable to upgrade connection: container not found \("idle"\)/,
    ],
    [
      "a command that is not there",
      exec("nothing-like-this"),
      /error executing command in container: exec: "nothing-like-this": executable file not found in \$PATH/,
    ],
    ["a command in no Pod", ["exec", "nobody", "--", "ls"], /\(NotFound\): pods "nobody" not found/],
  ];
  test.each(refused)("says why it cannot show or run: %s", async (_, args, wanted) => {
    const { err, code } = await run(args);
    expect(err).toMatch(wanted);
    expect(code).toBe(1);
  });

  test.each([0, 1, 3, 42, 255])("exec ends with the command's code %d", async (code) => {
    const { out, err, ...end } = await run(exec("sh", "-c", `echo out; echo err >&2; exit ${code}`));
    expect(out).toBe("out\n");
    expect(err).toStartWith("err");
    expect(end.code).toBe(code);
  });

  test("exec tells of a command that a signal ended as shells do", async () => {
    expect((await run(exec("sh", "-c", "kill -TERM $$"))).code).toBe(143);
  });

  test("exec -i passes input and its end", async () => {
    expect(await run(["exec", "-i", ...inMain, "--", "cat"], "hello")).toEqual({
      out: "hello",
      err: "",
      code: 0,
    });
    const counted = await run(["exec", "-i", ...inMain, "--", "wc", "-c"], "");
    expect(counted.out.trim()).toBe("0");
    // A command that reads nothing does not wait for its input to be taken.
    expect((await run(["exec", "-i", ...inMain, "--", "true"], "x".repeat(3 * mebibyte))).code).toBe(0);
  });

  test("a command may be long", async () => {
    const { out, code } = await run(exec("sh", "-c", `true ${"word ".repeat(20_000)}; echo done`));
    expect([out, code]).toEqual(["done\n", 0]);
  });

  test("256 MiB pass both ways, and the API holds little of it", async () => {
    const bytes = new Uint8Array(64 * mebibyte);
    for (let i = 0; i < bytes.length; i += 65_536) crypto.getRandomValues(bytes.subarray(i, i + 65_536));
    const all = [bytes, bytes, bytes, bytes];
    const before = residentBytes(scene.plane.pid);
    const child = start(["exec", "-i", ...inMain, "--", "cat"], new Blob(all));
    const hash = createHash("sha256");
    let most = 0;
    for await (const piece of child.stdout) {
      hash.update(piece);
      most = Math.max(most, residentBytes(scene.plane.pid));
    }
    expect(await child.exited).toBe(0);
    const sent = createHash("sha256");
    for (const each of all) sent.update(each);
    expect(hash.digest("hex")).toBe(sent.digest("hex"));
    expect(most - before).toBeLessThan(128 * mebibyte);
  });

  test("a client that does not read holds up its command, not the API's memory", async () => {
    const child = start(exec("sh", "-c", "head -c 512M /dev/zero; echo end >&2"));
    const reader = child.stdout.getReader();
    await reader.read();
    const before = residentBytes(scene.plane.pid);
    // The command has come to a stop when what it wrote stays the same.
    let written = -1;
    await waitUntil("the command waits", async () => {
      const now = writtenBytes(scene.commands());
      const isStill = now === written && now > 0;
      written = now;
      await Bun.sleep(20);
      return isStill;
    });
    expect(written).toBeLessThan(64 * mebibyte);
    expect(residentBytes(scene.plane.pid) - before).toBeLessThan(48 * mebibyte);
    child.kill("SIGKILL");
    await waitUntil("the command is ended", () => scene.commands().length === 0);
  });

  test("exec -it has a terminal of the client's size, which follows it", async () => {
    const poller = await openPoller(scene.libc);
    const ours = openTerminal(scene.libc, "/", { columns: 80, rows: 24 });
    const fds = new Map([0, 1, 2].map((fd) => [fd, ours.theirs]));
    const child = spawnChild(scene.libc, poller, {
      executable: path,
      args: ["exec", "-it", ...inMain, "--", "bash", "--norc", "--noediting"],
      env: { ...env(), TERM: "dumb" },
      fds,
      last: [{ what: "Cannot take the terminal", name: "ioctl", args: [0, 0x540e, 0] }],
    });
    closeFd(scene.libc, ours.theirs);
    const shown = { text: "" };
    const ended = showInto(shown, poller, ours.ours);
    const type = (text: string): unknown =>
      scene.libc.attempt("write", ours.ours, Buffer.from(text), text.length);
    type("tty; stty size\n");
    await waitUntil("the size", () => /\/dev\/(pts\/\d+|console)[^]*24 80/.test(shown.text));
    resizeTerminal(scene.libc, ours.ours, { columns: 101, rows: 33 });
    await waitUntil("the new size", async () => {
      type("stty size\n");
      await Bun.sleep(50);
      return shown.text.includes("33 101");
    });
    type("sleep 1000\n");
    await waitUntil("it sleeps", () => scene.commands().length >= 2);
    type("\u0003");
    await waitUntil("it was interrupted", () => scene.commands().length === 1);
    type("exit 5\n");
    expect(await child.exited).toEqual({ kind: "exited", code: 5 });
    await ended;
    poller.close();
  });

  test("attach joins the main process: what it is told and what it says", async () => {
    const { out, code } = await run(["attach", "-i", ...inMain], "one\ntwo\n");
    expect({ out, code }).toEqual({ out: "heard one\nheard two\nbye\n", code: 0 });
  });

  const killed: [string, string[]][] = [
    ["that waits", ["exec", ...inMain, "--", "sh", "-c", "sleep 1000 & sleep 1000"]],
    ["whose input is full", ["exec", "-i", ...inMain, "--", "sleep", "1000"]],
  ];
  test.each(killed)("a client that is interrupted leaves no process of a command %s", async (_, args) => {
    const child = start(args, args.includes("-i") ? Bun.file("/dev/zero") : "ignore");
    await waitUntil("the command runs", () => scene.commands().length > 0);
    child.kill("SIGINT");
    await child.exited;
    await waitUntil("it is gone", () => scene.commands().length === 0 && scene.server.open === 0);
  });

  test("clients that are killed at any moment leave nothing behind", async () => {
    const sessions = [
      exec("sleep", "1000"),
      exec("cat", "/dev/zero"),
      ["exec", "-i", ...inMain, "--", "cat"],
      ["exec", "-i", ...inMain, "--", "sleep", "1000"],
      ["attach", "-i", ...inMain],
      ["logs", "-f", ...inMain],
    ];
    const pid = scene.plane.pid;
    await Promise.all(
      [0, 1, 2, 3].map(async (lane) => {
        for (let i = 0; i < 12; i++) {
          const args = sessions[(i + lane) % sessions.length] ?? [];
          const child = start(args, args.includes("-i") ? Bun.file("/dev/zero") : "ignore");
          // Before TLS, in its midst, at the upgrade, in full flow.
          await Bun.sleep(((i * 7 + lane * 3) % 12) * 25);
          child.kill(i % 2 === 0 ? "SIGKILL" : "SIGINT");
          await child.exited;
        }
      }),
    );
    await waitUntil(
      "nothing is left",
      () => scene.commands().length === 0 && scene.server.open === 0,
      20_000,
    );
    expect(residentBytes(pid)).toBeGreaterThan(0);
  });

  test("port-forward reaches what listens in the Pod, and tells what does not", async () => {
    const body = new Uint8Array(8 * mebibyte).map((_byte, i) => i * 31);
    const web = withNamespace(scene.libc, scene.network.fd, () =>
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: async (request) => new Response(request.method === "POST" ? await request.bytes() : body),
      }),
    );
    const child = start(["port-forward", "pod/talker", `:${web.port}`, ":9"]);
    const output = { text: "" };
    const reading = Promise.all([collect(child.stdout, output), collect(child.stderr, output)]);
    const portTo = (port: number | undefined): Promise<string> =>
      waitUntil(
        "it listens",
        () => new RegExp(`127\\.0\\.0\\.1:(\\d+) -> ${port}\\n`).exec(output.text)?.[1],
      );
    const url = `http://127.0.0.1:${await portTo(web.port)}/`;
    const got = await Promise.all(
      Array.from({ length: 6 }, async () => (await fetch(url, { keepalive: false })).bytes()),
    );
    for (const each of got) expect(Buffer.compare(each, body)).toBe(0);
    const posted = await fetch(url, { method: "POST", body, keepalive: false });
    expect(Buffer.compare(await posted.bytes(), body)).toBe(0);
    const closed = `http://127.0.0.1:${await portTo(9)}/`;
    expect(await fetch(closed, { keepalive: false }).catch(() => "refused")).toBe("refused");
    await waitUntil("it says why", () =>
      /error forwarding port 9 to pod talker, uid .*ECONNREFUSED/.test(output.text),
    );
    child.kill("SIGINT");
    await Promise.all([child.exited, reading]);
    await web.stop(true);
    await waitUntil("the node is let go", () => scene.server.open === 0);
  });
}

function env(): Record<string, string> {
  return { KUBECONFIG: scene.kubeconfig, HOME: scene.folder };
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

function writtenBytes(pids: readonly number[]): number {
  return pids
    .map((pid) => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0))
    .reduce((sum, each) => sum + each, 0);
}

async function showInto(shown: { text: string }, poller: Poller, fd: number): Promise<void> {
  const decoder = new TextDecoder();
  const stream = readDescriptor({ libc: scene.libc, poller }, fd, new AbortController().signal);
  for await (const bytes of stream) shown.text += decoder.decode(bytes, { stream: true });
}

async function collect(stream: ReadableStream<Uint8Array>, into: { text: string }): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of stream) into.text += decoder.decode(bytes, { stream: true });
}
