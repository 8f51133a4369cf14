import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { IpAddress } from "#core/address/ip.ts";
import { readPolicy } from "#core/policy/policy.ts";
import { noPolicies, resolvePolicies, withPolicies } from "#core/policy/policy-set.ts";
import { Action, AuthorizationSchema, MatchSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import { decidePlaintext, probeAddress } from "./decide-plaintext.ts";

const ip = (text: string): IpAddress => text as IpAddress;
const pod = ip("10.244.0.130");
const caller = ip("10.244.0.131");

function policies(
  action: Action,
  match: MessageInitShape<typeof MatchSchema>,
): ReturnType<typeof resolvePolicies> {
  const policy = readPolicy(
    create(AuthorizationSchema, {
      name: "p",
      namespace: "shop",
      scope: Scope.WORKLOAD_SELECTOR,
      action,
      groups: [{ rules: [{ matches: [match] }] }],
    }),
  );
  const set = withPolicies(noPolicies, policy.ok ? [policy.value] : [], []);
  return resolvePolicies(set, ["shop/p"]);
}

const presence = { matchType: { case: "presence" as const, value: {} } };
const web = { matchType: { case: "exact" as const, value: "cluster.local/ns/shop/sa/web" } };
const strict = policies(Action.DENY, { notPrincipals: [presence] });
const onlyWeb = policies(Action.ALLOW, { principals: [web] });
const onlyPort = policies(Action.ALLOW, { destinationPorts: [8080] });
const none = resolvePolicies(noPolicies, []);
const unknown = resolvePolicies(noPolicies, ["shop/later"]);

test.each<[string, ReturnType<typeof resolvePolicies>, string, string]>([
  ["no policy", none, `${pod}:8080 ${caller}`, "8080"],
  ["what denies the unidentified", strict, `${pod}:8080 ${caller}`, "DENY"],
  ["what allows an identity only", onlyWeb, `${pod}:8080 ${caller}`, "DENY"],
  ["what allows the port", onlyPort, `${pod}:8080 ${caller}`, "8080"],
  ["what allows another port", onlyPort, `${pod}:8081 ${caller}`, "DENY"],
  ["a policy that is not held", unknown, `${pod}:8080 ${caller}`, "DENY"],
  ["a probe whatever is denied", strict, `${pod}:8080 ${probeAddress}`, "8080"],
  ["a probe to a port of ours", strict, `${pod}:15006 ${probeAddress}`, "-"],
  ["a port of ours", none, `${pod}:15001 ${caller}`, "-"],
  ["the port of tunnels", none, `${pod}:15008 ${caller}`, "-"],
  ["another's address", none, `10.244.0.132:8080 ${caller}`, "-"],
])("decidePlaintext() with %s", (_name, held, ends, want) => {
  const [target = "", peer = ""] = ends.split(" ");
  const [address = "", port] = target.split(":");
  const workload = { address: pod, policies: held };
  const decision = decidePlaintext(workload, { ip: ip(address), port: Number(port) }, ip(peer));
  expect(decision.kind === "connect" ? String(decision.port) : decision.flag).toBe(want);
});
