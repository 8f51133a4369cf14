/** What a command may do to its terminal: the two streams, colour when it is one, prompts never. Not the programs' logs. */

/** A command's terminal and surroundings. */
export interface Console {
  /** Results: what a script reads. */
  out(text: string | Uint8Array): void;
  /** Everything else: progress, hints, errors. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether results go to a person and may have colour. */
  readonly hasColour: boolean;
  /** The same for everything else: either stream alone may be a file. */
  readonly hasErrorColour: boolean;
}

/** The console of this process. */
export function processConsole(): Console {
  const { env } = process;
  // Whoever reads us may go away (`lambient up | head`); that must not end a supervisor.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const wantsColour = (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env,
    cwd: process.cwd(),
    hasColour: process.stdout.isTTY && wantsColour,
    hasErrorColour: process.stderr.isTTY && wantsColour,
  };
}

/** A colour that means something. */
export type Paint = "good" | "bad" | "waiting" | "dim" | "strong";

const codes: Readonly<Record<Paint, string>> = {
  good: "32",
  bad: "31",
  waiting: "33",
  dim: "2",
  strong: "1",
};

/** A text for the results in colour, or as it is. */
export function paint(console: Console, colour: Paint, text: string): string {
  return console.hasColour ? inColour(colour, text) : text;
}

/** A text for the error stream in colour, or as it is. */
export function paintError(console: Console, colour: Paint, text: string): string {
  return console.hasErrorColour ? inColour(colour, text) : text;
}

function inColour(colour: Paint, text: string): string {
  return `\u001B[${codes[colour]}m${text}\u001B[0m`;
}
