/** The commands that deal with functions: deploy, list, invoke, logs, trace, delete. Their work is in the files of their names. */
import { Argument } from "commander";
import {
  type CommandMaker,
  outputOption,
  repeated,
  runDirOption,
  type SetExitCode,
  wholeNumber,
} from "./command-parts.ts";
import type { Console } from "./console.ts";
import { parseFunctionName } from "./function-name.ts";
import { kindWords } from "./api/kind-words.ts";
import { type Listed, listed } from "./list.ts";
import type { OutputFormat } from "./output.ts";

interface Common {
  readonly runDir: string;
  readonly output: OutputFormat;
}

const namespaceFlag = ["-n, --namespace <name>", "namespace"] as const;

/** Adds them all. */
export function addFunctionCommands(make: CommandMaker, console: Console, setExitCode: SetExitCode): void {
  addDeploy(make, console);
  addBundle(make, console);
  addList(make, console);
  addInvoke(make, console, setExitCode);
  addLogs(make, console);
  addTrace(make, console);
  addDelete(make, console);
}

function addDeploy(make: CommandMaker, console: Console): void {
  make("deploy", "bundle and release the functions of a lambient.jsonc")
    .argument("[place]", "folder with a lambient.jsonc, or the file", ".")
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .option("--timeout <seconds>", "how long the releases may take", wholeNumber, 60)
    .action(async (place: string, { runDir, output, timeout }: Common & { readonly timeout: number }) => {
      const { deploy } = await import("./deploy/deploy.ts");
      await deploy(console, place, { runDir, format: output, timeoutMs: timeout * 1000 });
    });
}

function addBundle(make: CommandMaker, console: Console): void {
  const bundle = make("bundle", "bundles without a release: for functions that are applied as objects");
  bundle
    .command("push")
    .copyInheritedSettings(bundle)
    .description("bundle and upload a module, or the functions of a lambient.jsonc, and print the digests")
    .argument("[place]", "module, folder with a lambient.jsonc, or that file", ".")
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (place: string, { runDir, output }: Common) => {
      const { pushBundles } = await import("./bundle/push-bundles.ts");
      await pushBundles(console, place, { runDir, format: output });
    });
}

function addList(make: CommandMaker, console: Console): void {
  make("list", "list functions, revisions, namespaces or running instances")
    .addArgument(new Argument("[what]", "what to list").choices(listed).default("functions"))
    .option(namespaceFlag[0], "only of this namespace")
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (what: Listed, { runDir, output, namespace }: Common & { readonly namespace?: string }) => {
      const { list } = await import("./list.ts");
      await list(console, what, { runDir, format: output, namespace });
    });
}

interface InvokeFlags extends Common {
  readonly namespace?: string;
  readonly path: string;
  readonly method?: string;
  readonly data?: string;
  readonly header: readonly string[];
  readonly trace: boolean;
  readonly timeout: number;
}

function addInvoke(make: CommandMaker, console: Console, setExitCode: SetExitCode): void {
  make("invoke", "call a function through the edge; exit code 1 when it answers 400 or above")
    .argument("<function>", "<function>, or <function>.<namespace>")
    .option(...namespaceFlag)
    .option("--path <path>", "path with query", "/")
    .option("-X, --method <method>", "method; GET, or POST with data")
    .option("-d, --data <text>", "body; @file sends a file")
    .option("-H, --header <header>", '"Name: value"; may be given several times', repeated, [])
    .option("--trace", "show the call's whole chain", false)
    .option("--timeout <seconds>", "how long the answer may take", wholeNumber, 60)
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (name: string, flags: InvokeFlags) => {
      const { invoke } = await import("./invoke.ts");
      const isGood = await invoke(console, parseFunctionName(name, flags.namespace), {
        runDir: flags.runDir,
        format: flags.output,
        path: flags.path,
        method: flags.method,
        data: flags.data,
        headers: flags.header,
        trace: flags.trace,
        timeoutMs: flags.timeout * 1000,
      });
      setExitCode(isGood ? 0 : 1);
    });
}

interface LogsFlags extends Common {
  readonly namespace?: string;
  readonly tail: number;
  readonly since?: string;
  readonly follow: boolean;
}

function addLogs(make: CommandMaker, console: Console): void {
  make("logs", "show what a function's instances wrote, dead ones included")
    .argument("<function>", "<function>, or <function>.<namespace>")
    .option(...namespaceFlag)
    .option("--tail <lines>", "the last so many lines", wholeNumber, 100)
    .option("--since <duration>", "only lines of the last 90s, 10m, 2h, 1d")
    .option("-f, --follow", "go on until Ctrl-C", false)
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (name: string, { runDir, output, namespace, tail, since, follow }: LogsFlags) => {
      const { logs } = await import("./logs.ts");
      await logs(console, parseFunctionName(name, namespace), {
        runDir,
        format: output,
        tail,
        since,
        follow,
      });
    });
}

function addTrace(make: CommandMaker, console: Console): void {
  make("trace", "show one request's whole chain with the time of each hop; without an id the latest traces")
    .argument("[id]", "trace id, as in an answer's traceresponse")
    .option("--spans", "tell the recorded spans too, in JSON and YAML", false)
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(
      async (id: string | undefined, { runDir, output, spans }: Common & { readonly spans: boolean }) => {
        const { listTraces, trace } = await import("./trace/trace.ts");
        await (id === undefined
          ? listTraces(console, { runDir, format: output })
          : trace(console, id, { runDir, format: output, spans }));
      },
    );
}

interface DeleteFlags extends Common {
  readonly namespace?: string;
  readonly timeout: number;
}

function addDelete(make: CommandMaker, console: Console): void {
  make("delete", "remove a function, a namespace or another object, and wait until it is gone")
    .argument("<kind>", kindWords.join(", "))
    .argument("<name>", "its name")
    .option(...namespaceFlag)
    .option("--timeout <seconds>", "how long it may take to be gone; 0 does not wait", wholeNumber, 30)
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (kind: string, name: string, { runDir, output, namespace, timeout }: DeleteFlags) => {
      const { deleteObject } = await import("./delete.ts");
      const timeoutMs = timeout * 1000;
      await deleteObject(console, kind, name, { runDir, namespace, format: output, timeoutMs });
    });
}
