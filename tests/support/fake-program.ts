/** A program of the mesh that does nothing but what the supervisor asks of one: it gets ready, and ends when told. For the supervisor's tests. */
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";

const names: Readonly<Record<string, string>> = {
  "control-plane": "control-plane",
  ztunnel: "ztunnel",
  functions: "node-runtime",
  node: "node",
  waypoint: "edge",
};
const args = process.argv.slice(2);
const name = names[basename(dirname(process.argv[1] ?? ""))] ?? "unknown";
const flag = (wanted: string): string => args[args.indexOf(wanted) + 1] ?? "";
const runDir = flag("--run-dir");

const fault = process.env["LAMBIENT_FAKE_FAULT"];
if (fault === `fail ${name}`) {
  console.error(`Cannot run ${name}: told so`);
  process.exit(3);
}
if (fault !== `deaf ${name}`) process.on("SIGTERM", () => process.exit(0));
else process.on("SIGTERM", () => console.error("ignored"));

if (name === "control-plane") writeFileSync(join(runDir, "ca.pem"), "a certificate\n");
// What a program leaves when it dies.
if (name === "node-runtime") Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"] });

writeFileSync(
  join(flag("--data-dir"), `${name}.json`),
  JSON.stringify({
    pid: process.pid,
    args,
    hostname: hostname(),
    network: readlinkSync("/proc/self/ns/net"),
    mount: readlinkSync("/proc/self/ns/mnt"),
    listener: readdirSync("/proc/self/fd").includes("3") ? readlinkSync("/proc/self/fd/3") : "",
    hostNetwork: process.env["LAMBIENT_HOST_NETNS"] ?? "",
    cgroup: await Bun.file("/proc/self/cgroup").text(),
  }),
);
mkdirSync(join(runDir, "admin"), { recursive: true });
Bun.serve({ unix: join(runDir, "admin", `${name}.sock`), fetch: () => new Response("ready\n") });
console.error(`${name} serves`);
