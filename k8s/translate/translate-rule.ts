/**
 * One rule of a policy as the clauses that proxies evaluate at layer 4.
 * What layer 4 cannot tell makes a policy stricter, never weaker: an ALLOW rule with it is dropped, in a DENY rule only
 * that part is, so that the rest denies more.
 */
import { create } from "@bufbuild/protobuf";
import { type Match, MatchSchema, type Rules, RulesSchema } from "#core/proto/istio/authorization_pb.js";
import {
  type AttributeReader,
  conditionReaders,
  operationReaders,
  type RuleContext,
  sourceReaders,
} from "./match-readers.ts";
import type {
  PolicyCondition,
  PolicyOperation,
  PolicyRule,
  PolicySource,
} from "../model/authorization-policy.ts";

/** The match that attributes make; incomplete when some of them cannot be enforced. */
type MatchResult = { readonly match: Match; readonly isComplete: boolean };

/** Translates a rule. @returns its clauses, all of which must hold (none: everything matches); undefined when it is dropped. */
export function translateRule(rule: PolicyRule, context: RuleContext): readonly Rules[] | undefined {
  const { to = [], from = [], when = [] } = rule;
  const clauses = [
    to.map(({ operation }) => readFields(operation ?? {}, operationReaders, context)),
    from.map(({ source }) => readFields(source ?? {}, sourceReaders, context)),
    ...when.map((condition) => [readCondition(condition, context)]),
  ].filter((matches) => matches.length > 0);
  const isComplete = clauses.every((matches) => matches.every((each) => each.isComplete));
  if (!isComplete && !context.isDeny) {
    context.onProblem("the rule allows nothing, since it has a part that cannot be enforced");
    return undefined;
  }
  return clauses.flatMap((matches) => clauseOf(matches));
}

/** A clause holds when one of its matches does; one whose parts were all stripped holds always, so the clause says nothing. */
function clauseOf(matches: readonly MatchResult[]): Rules[] {
  const isAlwaysTrue = matches.some(({ match, isComplete }) => !isComplete && isEmpty(match));
  return isAlwaysTrue ? [] : [create(RulesSchema, { matches: matches.map(({ match }) => match) })];
}

function readFields(
  fields: PolicyOperation | PolicySource,
  readers: Readonly<Partial<Record<string, AttributeReader>>>,
  context: RuleContext,
): MatchResult {
  const match = create(MatchSchema);
  let isComplete = true;
  for (const [name, values] of Object.entries(fields) as [string, readonly string[] | undefined][]) {
    if (values === undefined || values.length === 0) continue;
    const reader = readers[name];
    const problem =
      reader === undefined ? `${name} needs layer 7, which is not enforced` : reader(match, values, context);
    if (problem === undefined) continue;
    isComplete = false;
    context.onProblem(problem);
  }
  return { match, isComplete };
}

function readCondition(
  { key, values = [], notValues = [] }: PolicyCondition,
  context: RuleContext,
): MatchResult {
  const match = create(MatchSchema);
  const readers = conditionReaders.get(key);
  if (readers === undefined) {
    context.onProblem(`when ${key} needs layer 7, which is not enforced`);
    return { match, isComplete: false };
  }
  const problems = [
    values.length > 0 ? readers.is(match, values, context) : undefined,
    notValues.length > 0 ? readers.not(match, notValues, context) : undefined,
  ].filter((problem) => problem !== undefined);
  for (const problem of problems) context.onProblem(`when ${key}: ${problem}`);
  return { match, isComplete: problems.length === 0 };
}

function isEmpty(match: Match): boolean {
  return Object.values(match).every((value) => !Array.isArray(value) || value.length === 0);
}
