/** `lambient completion`: a script that teaches a shell the commands and their flags, made from the command line itself. */
import type { Command } from "commander";
import { MeshError } from "#host/mesh-error.ts";

/** Shells that are known. */
export const shells = ["bash", "zsh", "fish"] as const;

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly {
    readonly long: string;
    readonly description: string;
    readonly choices: readonly string[];
  }[];
}

/** The script for a shell. @throws MeshError `bad-input` for a shell that is not known */
export function formatCompletion(root: Command, shell: string): string {
  const entries = root.commands.map(describe);
  switch (shell) {
    case "bash":
      return bash(entries);
    case "zsh":
      return zsh(entries);
    case "fish":
      return fish(entries);
    default:
      throw new MeshError(
        "bad-input",
        `Cannot complete for the shell "${shell}": known are ${shells.join(", ")}`,
      );
  }
}

function describe(command: Command): Entry {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    flags: help.visibleOptions(command).map((option) => ({
      long: option.long ?? option.short ?? "",
      description: option.description,
      choices: option.argChoices ?? [],
    })),
  };
}

function bash(entries: readonly Entry[]): string {
  const cases = entries.map(
    ({ name, flags }) => `    ${name}) words="${flags.map((flag) => flag.long).join(" ")}" ;;`,
  );
  return `# bash completion of lambient: source <(lambient completion bash)
_lambient() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${entries.map((entry) => entry.name).join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _lambient lambient
`;
}

function zsh(entries: readonly Entry[]): string {
  const commands = entries.map(({ name, description }) => `    '${name}:${quote(description)}'`);
  const cases = entries.map(({ name, flags }) => {
    const specs = flags.map((flag) => `'${flag.long}[${quote(flag.description)}]'`).join(" ");
    return `    ${name}) _arguments ${specs} '*:file:_files' ;;`;
  });
  return `#compdef lambient
# zsh completion of lambient: source <(lambient completion zsh)
_lambient() {
  local -a commands=(
${commands.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join("\n")}
  esac
}
compdef _lambient lambient
`;
}

function fish(entries: readonly Entry[]): string {
  const lines = entries.flatMap(({ name, description, flags }) => [
    `complete -c lambient -n __fish_use_subcommand -a ${name} -d '${quote(description)}'`,
    ...flags.map(({ long, description: text, choices }) => {
      const values = choices.length === 0 ? "" : ` -x -a '${choices.join(" ")}'`;
      return `complete -c lambient -n '__fish_seen_subcommand_from ${name}' -l ${long.replace(/^-+/, "")}${values} -d '${quote(text)}'`;
    }),
  ]);
  return `# fish completion of lambient: lambient completion fish | source\n${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return text.replaceAll("'", "").replaceAll("[", "(").replaceAll("]", ")").replaceAll(":", " ");
}
