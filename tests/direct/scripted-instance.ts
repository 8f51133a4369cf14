/** An instance of these tests: a port on 127.0.0.1 behind a tunnel, as its node's ztunnel would offer it. */
import type { IpAddress } from "#core/address/ip.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import type { TestCa } from "../support/test-ca.ts";

/** Where tunnels end, at every address. */
export const tunnelPort = 15008;

/** A scripted instance: an HTTP server behind a tunnel, as its node's ztunnel would offer it. */
export interface ScriptedInstance {
  readonly id: string;
  readonly address: IpAddress;
  /** Each CONNECT that came, in order. */
  readonly connects: (readonly HeaderField[])[];
  /** What `activate` answers for it. */
  readonly answer: object;
  /** Answers CONNECTs with a status instead. */
  refuseWith: number | undefined;
  /** Resets every stream and tunnel, as a crash does. */
  crash(): void;
}

/** What an instance is made from. */
export interface InstanceOptions {
  readonly id: string;
  readonly address: IpAddress;
  /** Of its program, on 127.0.0.1. */
  readonly port: number;
  readonly certificate: ReturnType<TestCa["issue"]>;
}

/** Opens the instance's end of the tunnels. */
export function listenAsInstance({ id, address, port, certificate }: InstanceOptions): {
  readonly instance: ScriptedInstance;
  close(): void;
} {
  const streams = new Set<{ reset(): void }>();
  const instance: ScriptedInstance = {
    id,
    address,
    connects: [],
    answer: { instance: id, address, port: 8080, identity: certificate.identity, rung: "pooled" },
    refuseWith: undefined,
    crash() {
      for (const stream of streams) stream.reset();
      listener.close();
    },
  };
  const listener = listenTunnels({
    target: { kind: "address", hostname: address, port: tunnelPort },
    choose: () => ({
      certificate,
      onConnect(request, responder) {
        instance.connects.push(request.headers);
        if (instance.refuseWith !== undefined) return responder.refuse(instance.refuseWith);
        connectStream({ kind: "address", hostname: "127.0.0.1", port }).then(
          (app) => {
            const stream = responder.accept();
            streams.add(stream);
            splice(stream, app, () => streams.delete(stream));
          },
          () => responder.refuse(503),
        );
      },
    }),
  });
  return { instance, close: () => listener.close() };
}
