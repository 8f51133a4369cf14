/** A layer-4 authorization policy in the form it is evaluated in, read once from its message; how several combine is decided elsewhere. */
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { Action, type Authorization, type Match, Scope } from "#core/proto/istio/authorization_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { type AddressTest, readAddressTest } from "./address-test.ts";
import { readTextTest, type TextTest } from "./text-test.ts";

/** What is known of a connection when it is decided. */
export interface ConnectionFacts {
  /** The original caller's identity; undefined for plaintext. */
  readonly source: SpiffeId | undefined;
  readonly sourceAddress: IpAddress;
  readonly destinationAddress: IpAddress;
  /** The port the workload really listens on, not its service's. */
  readonly destinationPort: number;
}

/** The facts with what tests need taken apart once. */
export interface PreparedFacts {
  /** The identity without `spiffe://`; undefined for plaintext. */
  readonly principal: string | undefined;
  /** Empty for plaintext, as in Istio. */
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly sourceBytes: Uint8Array;
  readonly destinationBytes: Uint8Array;
  readonly destinationPort: number;
}

/** A policy that can be evaluated. */
export interface Policy {
  /** `<namespace>/<name>`. */
  readonly key: string;
  readonly namespace: string;
  readonly scope: "global" | "namespace" | "workload";
  readonly action: "allow" | "deny";
  /** Dry-run policies only leave a note. */
  readonly dryRun: boolean;
  readonly matches: (facts: PreparedFacts) => boolean;
}

type Test = (facts: PreparedFacts) => boolean;

const scopes = {
  [Scope.GLOBAL]: "global",
  [Scope.NAMESPACE]: "namespace",
  [Scope.WORKLOAD_SELECTOR]: "workload",
} as const;
const actions = { [Action.ALLOW]: "allow", [Action.DENY]: "deny" } as const;

/** Reads a policy's message; one with anything that is not understood is refused whole, and its key then denies. */
export function readPolicy(message: Authorization): Result<Policy> {
  const key = `${message.namespace}/${message.name}`;
  // Proto3 enums are open: a later version's number is possible here, whatever the types say.
  const scope: Policy["scope"] | undefined = scopes[message.scope];
  const action: Policy["action"] | undefined = actions[message.action];
  if (message.name === "") return err("Cannot read a policy as namespace/name: its name is empty");
  if (scope === undefined || action === undefined) {
    return err(
      `Cannot read policy ${key} as ALLOW or DENY of a known scope: ${message.action}, ${message.scope}`,
    );
  }
  const groups: Test[] = [];
  for (const group of message.groups) {
    const clauses: Test[] = [];
    for (const clause of group.rules) {
      const matches: Test[] = [];
      for (const match of clause.matches) {
        const test = readMatch(match);
        if (!test.ok) return err(`Cannot read policy ${key}: ${test.error}`);
        matches.push(test.value);
      }
      // A clause without matches holds, one with matches needs any of them.
      if (matches.length > 0) clauses.push(anyOf(matches));
    }
    groups.push(allOf(clauses));
  }
  const { namespace, dryRun } = message;
  // A policy without groups matches nothing: anyOf of an empty list is false.
  return ok({ key, namespace, scope, action, dryRun, matches: anyOf(groups) });
}

function readMatch(match: Match): Result<Test> {
  const tests: Test[] = [];
  const failures: string[] = [];
  const keep = (read: Result<Test | undefined>): void => {
    if (!read.ok) failures.push(read.error);
    else if (read.value !== undefined) tests.push(read.value);
  };
  keep(readAttribute(match.namespaces, readTextTest, (has) => (facts) => has(facts.namespace)));
  keep(readAttribute(match.notNamespaces, readTextTest, (has) => (facts) => !has(facts.namespace)));
  keep(readAttribute(match.principals, readTextTest, (has) => (facts) => isPrincipal(facts, has)));
  keep(readAttribute(match.notPrincipals, readTextTest, (has) => (facts) => !isPrincipal(facts, has)));
  keep(readAttribute(match.sourceIps, readAddressTest, (has) => (facts) => has(facts.sourceBytes)));
  keep(readAttribute(match.notSourceIps, readAddressTest, (has) => (facts) => !has(facts.sourceBytes)));
  keep(readAttribute(match.destinationIps, readAddressTest, (has) => (facts) => has(facts.destinationBytes)));
  keep(
    readAttribute(match.notDestinationIps, readAddressTest, (has) => (facts) => !has(facts.destinationBytes)),
  );
  keep(readAttribute(match.destinationPorts, portTest, (has) => (facts) => has(facts.destinationPort)));
  keep(readAttribute(match.notDestinationPorts, portTest, (has) => (facts) => !has(facts.destinationPort)));
  keep(readAttribute(match.serviceAccounts, accountTest, (has) => has));
  keep(readAttribute(match.notServiceAccounts, accountTest, (has) => (facts) => !has(facts)));
  const [failure] = failures;
  if (failure !== undefined) return err(failure);
  // An empty match is a mistake of its sender: it never holds, others in its clause may.
  return ok(tests.length === 0 ? () => false : allOf(tests));
}

/** Reads one attribute's values; undefined when there are none, which leaves the attribute free. */
function readAttribute<Item, Has extends TextTest | AddressTest | PortTest | Test>(
  items: readonly Item[],
  readItems: (items: readonly Item[]) => Result<Has>,
  toTest: (has: Has) => Test,
): Result<Test | undefined> {
  if (items.length === 0) return ok(undefined);
  const has = readItems(items);
  return has.ok ? ok(toTest(has.value)) : has;
}

function isPrincipal(facts: PreparedFacts, has: TextTest): boolean {
  return facts.principal !== undefined && has(facts.principal);
}

type PortTest = (port: number) => boolean;

function portTest(ports: readonly number[]): Result<PortTest> {
  const set = new Set(ports);
  return ok((port) => set.has(port));
}

function accountTest(
  items: readonly { readonly namespace: string; readonly serviceAccount: string }[],
): Result<Test> {
  const accounts = new Set(items.map((item) => `${item.namespace}/${item.serviceAccount}`));
  return ok(
    (facts) => facts.principal !== undefined && accounts.has(`${facts.namespace}/${facts.serviceAccount}`),
  );
}

function anyOf(tests: readonly Test[]): Test {
  return (facts) => tests.some((test) => test(facts));
}

function allOf(tests: readonly Test[]): Test {
  return (facts) => tests.every((test) => test(facts));
}
