/** Joins a command's client with the command on its node: bytes both ways with back-pressure, sizes, the end. */
import { errorText } from "#host/mesh-error.ts";
import type { NodeStream } from "./ask-node.ts";
import type { CommandClient } from "./command-client.ts";
import { exitStatus, failureStatus } from "./command-status.ts";
import { NodeCommand } from "./node-command.ts";

/**
 * Runs a command for a client that has switched protocols; resolves when both are done.
 * @param ask asks the node to start it, once the client is ready
 */
export async function runCommand(client: CommandClient, ask: () => Promise<NodeStream>): Promise<void> {
  try {
    await client.ready;
  } catch {
    // Nobody is left who could be told.
    return;
  }
  const joint = new Joint(client);
  let node: NodeStream;
  try {
    node = await ask();
  } catch (error) {
    joint.fail(`error executing command in container: ${errorText(error)}`);
    return joint.over;
  }
  joint.join(node);
  return joint.over;
}

class Joint {
  readonly #client: CommandClient;
  readonly #over = Promise.withResolvers<void>();
  #command: NodeCommand | undefined;
  /** Input that the node has not granted yet; the client is paused meanwhile. */
  #waiting: Uint8Array[] = [];
  #hasInputEnded = false;
  #isClientGone = false;

  constructor(client: CommandClient) {
    this.#client = client;
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Tells a client that nothing was started. */
  fail(reason: string): void {
    this.#start();
    this.#client.finish(failureStatus(reason));
  }

  join(node: NodeStream): void {
    const client = this.#client;
    this.#command = new NodeCommand(node, {
      onOutput: (name, bytes) => client.show(name, bytes),
      onCredit: () => this.#sendWaiting(),
      onEnd: (exit) =>
        client.finish(exit === undefined ? failureStatus("the node ended the stream") : exitStatus(exit)),
    });
    this.#start();
    if (this.#isClientGone) return this.#command.close();
    this.#command.start();
  }

  #start(): void {
    this.#client.start({
      onInput: (bytes) => this.#onInput(bytes),
      onInputEnd: () => {
        this.#hasInputEnded = true;
        if (this.#waiting.length === 0) this.#command?.endInput();
      },
      onSize: (size) => this.#command?.resize(size),
      onRoom: () => this.#command?.resume(),
      onClose: () => {
        this.#isClientGone = true;
        this.#command?.close();
        this.#over.resolve();
      },
    });
  }

  #onInput(bytes: Uint8Array): void {
    const command = this.#command;
    if (command === undefined || this.#hasInputEnded) return;
    const now = this.#waiting.length > 0 ? 0 : Math.min(command.credit, bytes.length);
    if (now > 0) command.input(bytes.subarray(0, now));
    if (now === bytes.length) return;
    this.#waiting.push(new Uint8Array(bytes.subarray(now)));
    this.#client.pause();
  }

  #sendWaiting(): void {
    const command = this.#command;
    if (command === undefined || this.#waiting.length === 0) return;
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const now = Math.min(command.credit, head.length);
      if (now > 0) command.input(head.subarray(0, now));
      if (now < head.length) {
        this.#waiting[0] = head.subarray(now);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#hasInputEnded) command.endInput();
    else this.#client.resume();
  }
}
