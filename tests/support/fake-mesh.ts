/** Meshes whose programs do nothing but what the supervisor asks of them: for tests of the supervisor, which is the real one. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lambient } from "./mesh.ts";
import type { HostProcess, RunResult, TestHost } from "./test-host.ts";
import { waitUntil } from "./wait-until.ts";

const root = join(import.meta.dir, "../..");

/** Where a mesh lives. */
export interface FakePlace {
  readonly host: TestHost;
  readonly runDir: string;
  readonly dataDir: string;
  /** The supervisors that were started in it. */
  readonly runs: HostProcess[];
}

/** What a fake program saw when it started; see fake-program.ts. */
export interface FakeTrace {
  readonly pid: number;
  readonly args: string[];
  readonly hostname: string;
  readonly network: string;
  readonly mount: string;
  readonly listener: string;
  readonly hostNetwork: string;
  readonly cgroup: string;
}

/** Starts a supervisor in it, to be killed at a step or with a faulty program when asked. */
export async function superviseFakes(at: FakePlace, killAt = "-", fault = ""): Promise<HostProcess> {
  const { host, runDir, dataDir } = at;
  const flags = JSON.stringify({ runDir, dataDir, apiPort: "0", edgePort: "0" });
  const script = join(root, "tests/support/run-supervisor.ts");
  const argv = [process.execPath, script, writeFakePrograms(host), killAt, flags];
  const run = await host.spawn(argv, { env: { LAMBIENT_FAKE_FAULT: fault } });
  at.runs.push(run);
  return run;
}

/** Waits until a supervisor has everything started. */
export async function untilRunning(run: HostProcess): Promise<void> {
  await waitUntil("the mesh runs", async () => (await run.output()).stdout.includes("running\n"));
}

/** Runs `lambient` on the place's host, on its mesh. */
export function commandFake(at: FakePlace, ...args: string[]): Promise<RunResult> {
  return at.host.run([...lambient, ...args], { env: { LAMBIENT_RUN_DIR: at.runDir, NO_COLOR: "1" } });
}

/** What the program of this name saw when it started last. */
export function readFakeTrace(at: FakePlace, name: string): FakeTrace {
  return JSON.parse(readFileSync(join(at.dataDir, `${name}.json`), "utf8")) as FakeTrace;
}

/** The control groups of a place's runs, by their own words: once a mesh is down its folder tells nothing. */
export async function fakeGroups(at: FakePlace): Promise<Set<string>> {
  const outputs = await Promise.all(at.runs.map((run) => run.output()));
  return new Set(outputs.flatMap(({ stdout }) => /^group (.+)$/m.exec(stdout)?.[1] ?? []));
}

/** The programs below a root of their own, as a supervisor finds them. @returns the root */
function writeFakePrograms(host: TestHost): string {
  const programs = join(host.dir, "programs");
  for (const folder of ["k8s/control-plane", "ztunnel", "functions", "k8s/node", "waypoint"]) {
    mkdirSync(join(programs, folder), { recursive: true });
    writeFileSync(
      join(programs, folder, "main.ts"),
      `import "${join(root, "tests/support/fake-program.ts")}";\n`,
    );
  }
  return programs;
}
