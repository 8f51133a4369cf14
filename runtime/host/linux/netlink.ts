/** A netlink socket in a network namespace: sends one request at a time and reads its answer; what is asked stands in links.ts, routes.ts and socket-list.ts. */
import { LinuxError } from "./errno.ts";
import { closeFd, type Libc } from "./libc.ts";
import { socketIn } from "./namespaces.ts";
import { type Attribute, decodeMessages, encodeMessage, type NetlinkMessage } from "./netlink-message.ts";

/** One request. */
export interface NetlinkRequest {
  /** The beginning of the error's sentence: "Cannot <do> <what>" */
  readonly what: string;
  readonly type: number;
  /** NLM_F_* beyond REQUEST. */
  readonly flags: number;
  readonly fixed: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** An open socket; it works on its namespace from wherever it is used. */
export interface Netlink extends Disposable {
  /** Changes something. @throws LinuxError with the kernel's refusal */
  change(request: NetlinkRequest): void;
  /** Changes several things in their order by one call. @throws LinuxError with the first refusal; the others were made nevertheless */
  changeAll(requests: readonly NetlinkRequest[]): void;
  /** Asks for a list. @throws LinuxError */
  list(request: NetlinkRequest): NetlinkMessage[];
  close(): void;
}

/** Flags of a request that adds something that must be new. */
export const createExclusive: number = 0x400 | 0x200;
/** Flags of a request that adds something or replaces it. */
export const createOrReplace: number = 0x400 | 0x100;

const requestFlag = 1;
const ackFlag = 4;
const dumpFlag = 0x300;
const errorType = 2;
const doneType = 3;
const datagramBytesMax = 64 << 10;
const messagesMax = 1 << 16;

/** What a socket speaks of: routes, links and rules, or sockets. */
export type NetlinkSubject = "route" | "sockets";

const protocols: Readonly<Record<NetlinkSubject, number>> = { route: 0, sockets: 4 };

/** Opens a socket in the namespace behind the descriptor. */
export function openNetlink(libc: Libc, namespaceFd: number, subject: NetlinkSubject = "route"): Netlink {
  const fd = socketIn(libc, namespaceFd, { family: 16, type: 3, protocol: protocols[subject] });
  const buffer = Buffer.alloc(datagramBytesMax);
  let sequence = 0;

  const encode = (request: NetlinkRequest, flags: number): Uint8Array => {
    const head = { type: request.type, flags: request.flags | flags | requestFlag, sequence: ++sequence };
    return encodeMessage(head, request.fixed, request.attributes);
  };
  const send = (request: NetlinkRequest, flags: number): void => {
    const bytes = encode(request, flags);
    libc.call(request.what, "sendto", fd, bytes, bytes.length, 0, null, 0);
  };
  /** The kernel answers before `sendto` returns, so that nothing here waits. */
  const receiveAny = (what: string): NetlinkMessage[] => {
    const length = libc.call(what, "recvfrom", fd, buffer, buffer.length, 0, null, null);
    return decodeMessages(Uint8Array.prototype.slice.call(buffer, 0, length));
  };
  const receive = (what: string): NetlinkMessage[] =>
    receiveAny(what).filter((message) => message.sequence === sequence);

  return {
    change(request) {
      send(request, ackFlag);
      for (;;) for (const message of receive(request.what)) if (isFinal(request.what, message)) return;
    },
    changeAll(requests) {
      const first = sequence + 1;
      const bytes = Buffer.concat(requests.map((request) => encode(request, ackFlag)));
      if (bytes.length === 0) return;
      libc.call("Cannot send requests", "sendto", fd, bytes, bytes.length, 0, null, 0);
      let refusal: LinuxError | undefined;
      for (let answered = 0; answered < requests.length;) {
        for (const message of receiveAny("Cannot receive answers")) {
          const request = requests[message.sequence - first];
          if (request === undefined) continue; // an answer to something earlier
          answered++;
          refusal ??= refusalOf(request.what, message);
        }
      }
      if (refusal !== undefined) throw refusal;
    },
    list(request) {
      send(request, dumpFlag);
      const messages: NetlinkMessage[] = [];
      for (;;) {
        for (const message of receive(request.what)) {
          if (isFinal(request.what, message)) return messages;
          if (messages.length < messagesMax) messages.push(message);
        }
      }
    },
    close: () => closeFd(libc, fd),
    [Symbol.dispose]: () => closeFd(libc, fd),
  };
}

function isFinal(what: string, message: NetlinkMessage): boolean {
  if (message.type === doneType) return true;
  if (message.type !== errorType) return false;
  const refusal = refusalOf(what, message);
  if (refusal !== undefined) throw refusal;
  return true;
}

/** What an answer refuses; undefined for an acknowledgement. */
function refusalOf(what: string, { type, body }: NetlinkMessage): LinuxError | undefined {
  if (type !== errorType) return undefined;
  const errno = -new DataView(body.buffer, body.byteOffset, body.byteLength).getInt32(0, true);
  return errno === 0 ? undefined : new LinuxError(what, errno);
}
