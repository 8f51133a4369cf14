/** The waypoint's and the edge's program: arguments, signals, exit code. What it does is in app.ts. */
import { systemClock } from "#host/clock.ts";
import { makeLineWriter } from "#host/line-writer.ts";
import { openLibc } from "#host/linux/libc.ts";
import { openLog } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { type App, openApp } from "./app.ts";
import { type Config, readConfig } from "./config.ts";
import { openControl } from "./control.ts";
import { liveAsGeneric } from "./generic.ts";
import { type AppPorts, edgeName, type Self } from "./self.ts";
import { idleEnough } from "./sleep.ts";
import { writeOut } from "./write-out.ts";

const genericChannelFd = 3;

async function main(): Promise<number> {
  const config = readConfig(process.argv.slice(2), process.env);
  if (!config.ok) {
    for (const mistake of config.error) process.stderr.write(`${mistake}\n`);
    return 2;
  }
  const ports = portsOf(config.value);
  const apps: App[] = [];
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    void stopAll(apps).then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  try {
    await live(config.value, ports, apps);
    return 0;
  } catch (error) {
    ports.log.error("cannot serve", { error: errorText(error) });
    return 1;
  }
}

function portsOf(config: Config): AppPorts {
  const clock = systemClock;
  const logging = { level: config.logLevel };
  const log = openLog({
    program: config.role.kind === "edge" ? "edge" : "waypoint",
    get level() {
      return logging.level;
    },
    format: config.logFormat,
    write: (line) => void process.stderr.write(line),
    nowMs: () => clock.nowMs(),
  });
  const lines = makeLineWriter(writeOut, clock);
  return {
    config,
    clock,
    logging,
    log,
    lines,
    libc: openLibc(),
    control: openControl(config, log),
    random: Math.random,
  };
}

async function live(config: Config, ports: AppPorts, apps: App[]): Promise<void> {
  const { role } = config;
  const open = (self: Self): App => openApp(self, ports);
  if (role.kind === "generic") {
    const onApp = (app: App): void => void apps.push(app);
    return liveAsGeneric({ ...ports, channelFd: genericChannelFd, open, onApp });
  }
  const app = open(
    role.kind === "edge"
      ? { kind: "edge", ...edgeName, address: role.address, listen: { kind: "fd", fd: role.listenFd } }
      : {
          kind: "waypoint",
          namespace: role.namespace,
          name: role.name,
          address: role.listen.ip,
          listen: { kind: "address", hostname: role.listen.ip, port: role.listen.port },
        },
  );
  apps.push(app);
  await app.ready();
  const port = app.listen();
  ports.log.info("serving", { port });
  if (role.kind === "edge") return new Promise(() => {});
  await idleEnough(app, ports.clock);
  ports.log.info("asleep");
  await stopAll(apps);
}

async function stopAll(apps: readonly App[]): Promise<void> {
  for (const app of apps) {
    await app.drain();
    await app.flush();
    app.close();
  }
}

process.exit(await main());
