import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "bun:test";
import { assert, property, uint8Array } from "fast-check";
import { decodeObject } from "./decode-object.ts";

type Write = (writer: BinaryWriter) => BinaryWriter;

function message(...writes: readonly Write[]): Uint8Array {
  return writes.reduce<BinaryWriter>((writer, write) => write(writer), new BinaryWriter()).finish();
}

const text =
  (number: number, value: string): Write =>
  (writer) =>
    writer.tag(number, WireType.LengthDelimited).string(value);
const bytes =
  (number: number, value: Uint8Array): Write =>
  (writer) =>
    writer.tag(number, WireType.LengthDelimited).bytes(value);
const int =
  (number: number, value: number): Write =>
  (writer) =>
    writer.tag(number, WireType.Varint).int64(value);
const entry = (number: number, key: string, value: Write): Write =>
  bytes(number, message(text(1, key), value));

function envelope(apiVersion: string, kind: string, ...fields: readonly Write[]): Uint8Array {
  const type = message(text(1, apiVersion), text(2, kind));
  const body = message(bytes(1, type), bytes(2, message(...fields)), text(3, ""), text(4, ""));
  return new Uint8Array([0x6b, 0x38, 0x73, 0, ...body]);
}

const named = (name: string): Write =>
  bytes(1, message(text(1, name), text(2, ""), int(7, 0), bytes(8, message())));

describe("decodeObject()", () => {
  test("leaves out what is empty and no pointer, and keeps empty pointers", () => {
    const template = message(bytes(2, message(text(1, "web"), text(2, "image"))));
    const spec = message(int(1, 0), bytes(3, message(bytes(1, message()), bytes(2, template))), int(5, 0));
    expect(
      decodeObject(envelope("apps/v1", "Deployment", named("web"), bytes(2, spec), bytes(3, message()))),
    ).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: { replicas: 0, template: { spec: { containers: [{ name: "web", image: "image" }] } } },
    });
  });

  test("reads maps, bytes, times and flat fields", () => {
    const meta = bytes(
      1,
      message(text(1, "s"), entry(11, "app", text(2, "shop")), bytes(9, message(int(1, 1_700_000_000)))),
    );
    const secret = envelope(
      "v1",
      "Secret",
      meta,
      entry(2, "password", bytes(2, new TextEncoder().encode("top"))),
    );
    expect(decodeObject(secret)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", labels: { app: "shop" }, deletionTimestamp: "2023-11-14T22:13:20Z" },
      data: { password: "dG9w" },
    });
    const source = message(bytes(2, message(text(1, ""))));
    const pod = envelope(
      "v1",
      "Pod",
      named("p"),
      bytes(2, message(bytes(1, message(text(1, "dir"), bytes(2, source))))),
    );
    expect(decodeObject(pod)).toMatchObject({ spec: { volumes: [{ name: "dir", emptyDir: {} }] } });
  });

  test.each([
    [message(int(1, 0), int(2, 8080)), 8080],
    [message(int(1, 1), int(2, 0), text(3, "http")), "http"],
  ])("reads a number or a name (%#)", (port, want) => {
    const service = envelope(
      "v1",
      "Service",
      named("s"),
      bytes(2, message(bytes(1, message(int(3, 80), bytes(4, port))))),
    );
    expect(decodeObject(service)).toMatchObject({ spec: { ports: [{ port: 80, targetPort: want }] } });
  });

  test("reads quantities, microseconds and lists of lists", () => {
    const resources = message(entry(1, "memory", bytes(2, message(text(1, "1Gi")))));
    const container = message(text(1, "c"), bytes(8, resources));
    const pod = envelope("v1", "Pod", named("p"), bytes(2, message(bytes(2, container))));
    expect(decodeObject(pod)).toMatchObject({
      spec: { containers: [{ resources: { limits: { memory: "1Gi" } } }] },
    });
    const renewed = message(bytes(4, message(int(1, 1_700_000_000), int(2, 123_456_000))));
    expect(
      decodeObject(envelope("coordination.k8s.io/v1", "Lease", named("l"), bytes(2, renewed))),
    ).toMatchObject({
      spec: { renewTime: "2023-11-14T22:13:20.123456Z" },
    });
    const review = message(entry(5, "scopes", bytes(2, message(text(1, "a"), text(1, "b")))));
    expect(
      decodeObject(envelope("authorization.k8s.io/v1", "SubjectAccessReview", bytes(2, review))),
    ).toMatchObject({
      spec: { extra: { scopes: ["a", "b"] } },
    });
  });

  test("knows the options of a deletion in every group", () => {
    expect(decodeObject(envelope("apps/v1", "DeleteOptions", int(1, 0), text(4, "Background")))).toEqual({
      apiVersion: "apps/v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      propagationPolicy: "Background",
    });
  });

  test("skips fields that it does not know", () => {
    expect(decodeObject(envelope("v1", "ConfigMap", named("c"), text(99, "later")))).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c" },
    });
  });

  test.each([
    ["no envelope", new Uint8Array([1, 2, 3, 4])],
    ["another's kind", envelope("example.com/v1", "Gizmo")],
    ["a cut message", envelope("v1", "ConfigMap", named("c")).slice(0, -3)],
  ])("refuses %s", (_case, body) => {
    expect(() => decodeObject(body)).toThrow();
  });

  test("ends for any bytes", () => {
    const prefix = envelope("v1", "Pod");
    assert(
      property(uint8Array({ maxLength: 200 }), (tail) => {
        const body = envelope("v1", "Pod", bytes(2, tail), bytes(1, tail));
        for (const each of [body, new Uint8Array([...prefix, ...tail])]) {
          try {
            expect(decodeObject(each)["kind"]).toBeString();
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
    );
  });
});
