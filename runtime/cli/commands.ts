/** The commands, their arguments and flags; each one's work is in the file of its name, loaded when it is asked for. */
import { Argument, Command } from "commander";
import { addClusterCommands } from "./cluster-commands.ts";
import { formatCompletion, shells } from "./completion.ts";
import type { Console } from "./console.ts";
import { addFunctionCommands } from "./function-commands.ts";
import {
  type CommandMaker,
  outputOption,
  runDirOption,
  type SetExitCode,
  wholeNumber,
} from "./command-parts.ts";
import type { OutputFormat } from "./output.ts";
import { environmentName, flagName, meshDefaults, type RawMeshConfig } from "./supervisor/mesh-config.ts";
import { readVersion } from "./version.ts";

/** The whole command line. */
export function buildCommands(console: Console, setExitCode: SetExitCode): Command {
  const root = new Command("lambient")
    .description("An ambient service mesh and function runtime on one machine")
    .version(readVersion(), "-V, --version")
    .showHelpAfterError('(see "lambient --help")')
    .showSuggestionAfterError();
  configure(root, console);
  const make: CommandMaker = (line, description) =>
    root.command(line).description(description).copyInheritedSettings(root);
  addUp(make, console);
  addDown(make, console);
  addStatus(make, console, setExitCode);
  addFunctionCommands(make, console, setExitCode);
  addClusterCommands(make, console);
  make("completion", "print a script that completes commands and flags")
    .addArgument(new Argument("<shell>").choices(shells))
    .action((shell: string) => console.out(formatCompletion(root, shell)));
  return root;
}

const descriptions: Readonly<Record<keyof typeof meshDefaults, string>> = {
  runDir: "folder of sockets, tokens and the lock",
  dataDir: "folder of the store, bundles, keys and logs",
  trustDomain: "trust domain of the identities",
  node: "the node's name",
  nodeRange: "addresses of the node and its functions",
  waypointRange: "addresses of the edge and the waypoints",
  serviceRange: "addresses of services",
  apiPort: "port of the Kubernetes API on 127.0.0.1; 0 takes a free one",
  edgePort: "port of the edge on 127.0.0.1; 0 takes a free one",
  poolSize: "slots kept ready for cold starts",
  hostPaths: "folders that Pods may mount as hostPath, with commas between",
  images: "file that maps images of Pods to local commands",
  logLevel: "debug, info, warn or error",
  logFormat: "text or json",
};

interface UpOptions extends RawMeshConfig {
  readonly detach: boolean;
  readonly verbose: boolean;
  readonly output: OutputFormat;
}

function addUp(make: CommandMaker, console: Console): void {
  const command = make("up", "bring the mesh up on this machine, until Ctrl-C or lambient down");
  for (const [field, text] of Object.entries(meshDefaults)) {
    const description = descriptions[field as keyof typeof meshDefaults];
    command.option(
      `--${flagName(field)} <value>`,
      `${description} (${environmentName(field)}, default ${text})`,
    );
  }
  command
    .option("-d, --detach", "return once it runs, leaving it in the background", false)
    .option("-v, --verbose", "show what the supervisor and the programs log", false)
    .addOption(outputOption())
    .action(async ({ detach, verbose, output, ...flags }: UpOptions) => {
      await (await import("./up.ts")).up(console, flags, { detach, verbose, format: output });
    });
}

interface DownFlags {
  readonly runDir: string;
  readonly output: OutputFormat;
  readonly timeout: number;
}

function addDown(make: CommandMaker, console: Console): void {
  make("down", "end the mesh and wait until nothing of it is left")
    .addOption(runDirOption(console))
    .option("--timeout <seconds>", "how long to wait", wholeNumber, 60)
    .addOption(outputOption())
    .action(async ({ runDir, output, timeout }: DownFlags) => {
      const { down } = await import("./down.ts");
      await down(console, { runDir, format: output, timeoutMs: timeout * 1000 });
    });
}

function addStatus(make: CommandMaker, console: Console, setExitCode: SetExitCode): void {
  make("status", "show the programs of the mesh; exit code 1 when one is not ready")
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (options: { readonly runDir: string; readonly output: OutputFormat }) => {
      const isGood = await (await import("./status.ts")).status(console, options.runDir, options.output);
      setExitCode(isGood ? 0 : 1);
    });
}

/** Commander's own words go where ours go, and it throws instead of ending the process. */
function configure(root: Command, console: Console): void {
  root.exitOverride().configureOutput({
    writeOut: (text) => console.out(text),
    writeErr: (text) => console.err(text),
    getOutHasColors: () => console.hasColour,
    getErrHasColors: () => console.hasErrorColour,
  });
}
