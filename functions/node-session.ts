/** One channel on `node.sock`: nothing before its token is verified, then what its subject may call. Its leases end with it. */
import type { Channel, ChannelHandlers } from "#host/channel.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { ComingInstance, Instance, LeaseHolder } from "./activation/instance.ts";
import type { ExitReason } from "./activation/slot-port.ts";
import { nodeMethods, type NodeWork } from "./node-methods.ts";
import { readParams, readText } from "./read-params.ts";
import type { ProgramSubject, TokenVerifier } from "./tokens.ts";

/** What a session needs. */
export interface NodeSessionOptions {
  readonly channel: Channel;
  readonly work: NodeWork;
  readonly tokens: TokenVerifier;
  /** The channel is over: its leases are to be given back. */
  readonly onClose: (holder: LeaseHolder) => void;
}

/** See the file's opening. */
export class NodeSession implements ChannelHandlers, LeaseHolder {
  readonly #options: NodeSessionOptions;
  #subject: ProgramSubject | undefined;

  constructor(options: NodeSessionOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#options.channel.isOpen;
  }

  async onRequest(method: string, params: unknown): Promise<unknown> {
    if (method === "hello") return this.#greet(params);
    const found = nodeMethods.get(method);
    if (this.#subject === undefined || found?.callers.has(this.#subject) !== true)
      throw this.#refusal(method);
    return found.call(this.#options.work, readParams(params ?? {}), this);
  }

  /** Nobody tells us anything without asking. */
  onNotify(): void {}

  onClose(): void {
    this.#options.onClose(this);
  }

  onComing({ id, revision, address }: ComingInstance): void {
    const { port } = this.#options.work;
    const identity = this.#options.work.identityOf(revision);
    const coming = { instance: id, revision: revision.uid, address, port, identity };
    this.#options.channel.notify("instance-coming", coming);
  }

  onGone(instance: Instance, reason: ExitReason): void {
    this.#options.channel.notify("instance-gone", {
      instance: instance.id,
      revision: instance.revision.uid,
      reason,
    });
  }

  async #greet(params: unknown): Promise<object> {
    this.#subject = await this.#options.tokens.verify(readText(readParams(params), "token"));
    return {};
  }

  #refusal(method: string): MeshError {
    const who =
      this.#subject === undefined ? "a caller that has not said hello" : `system:lambient:${this.#subject}`;
    return new MeshError("not-permitted", `Cannot call ${method.slice(0, 50)} as ${who}: not allowed`);
  }
}
