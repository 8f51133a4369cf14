/** The commands that do what kubectl does, for machines without it: label, kubeconfig. Their work is in the files of their names. */
import { kindWords } from "./api/kind-words.ts";
import { type CommandMaker, outputOption, runDirOption } from "./command-parts.ts";
import type { Console } from "./console.ts";
import type { OutputFormat } from "./output.ts";

interface LabelFlags {
  readonly runDir: string;
  readonly output: OutputFormat;
  readonly namespace?: string;
  readonly overwrite: boolean;
}

/** Adds them all. */
export function addClusterCommands(make: CommandMaker, console: Console): void {
  make("label", "set or remove labels of an object, as kubectl label does")
    .argument("<kind>", kindWords.join(", "))
    .argument("<name>", "its name")
    .argument("<changes...>", "key=value sets a label, key- removes it")
    .option("-n, --namespace <name>", "namespace")
    .option("--overwrite", "change labels that have another value", false)
    .addOption(runDirOption(console))
    .addOption(outputOption())
    .action(async (word: string, name: string, changes: readonly string[], flags: LabelFlags) => {
      const { label } = await import("./label.ts");
      const { runDir, output: format, namespace, overwrite } = flags;
      await label(console, { word, name, changes }, { runDir, format, namespace, overwrite });
    });
  make("kubeconfig", "print the path of the kubeconfig: export KUBECONFIG=$(lambient kubeconfig)")
    .option("--raw", "print what is in it", false)
    .addOption(runDirOption(console))
    .action(async ({ runDir, raw }: { readonly runDir: string; readonly raw: boolean }) => {
      const { kubeconfig } = await import("./kubeconfig.ts");
      kubeconfig(console, { runDir, raw });
    });
}
