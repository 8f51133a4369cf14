/** CEL with what Kubernetes adds to it; variables and types of a schema come on top. */
import { Environment } from "@marcbachmann/cel-js";
import { registerListFunctions } from "./list-functions.ts";
import { registerNetFunctions } from "./net-functions.ts";
import {
  addQuantity,
  asNumber,
  asWhole,
  compareQuantities,
  isQuantity,
  isWhole,
  parseQuantity,
  QuantityValue,
  subtractQuantity,
} from "./quantity-value.ts";
import { registerTextFunctions } from "./text-functions.ts";
import { valuesEqual } from "./values-equal.ts";

/** Longest expression, in nodes of its tree. */
const nodesMax = 4000;

/** A fresh one. */
export function openBaseEnvironment(): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    // Kubernetes lets the arguments of `format` be of several types; everywhere else they show when they are used.
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: nodesMax, maxDepth: 100 },
  });
  registerTextFunctions(environment);
  registerListFunctions(environment);
  registerNetFunctions(environment);
  registerQuantities(environment);
  return environment;
}

function registerQuantities(environment: Environment): void {
  const type = "kubernetes.Quantity";
  environment.registerType(type, { ctor: QuantityValue, fields: {} });
  environment.registerOperator(`${type} == ${type}`, valuesEqual);
  environment.registerFunction(`quantity(string): ${type}`, parseQuantity);
  environment.registerFunction("isQuantity(string): bool", isQuantity);
  environment.registerFunction(`${type}.sign(): int`, ({ nanos }: QuantityValue) =>
    nanos === 0n ? 0n : nanos < 0n ? -1n : 1n,
  );
  environment.registerFunction(`${type}.isInteger(): bool`, isWhole);
  environment.registerFunction(`${type}.asInteger(): int`, asWhole);
  environment.registerFunction(`${type}.asApproximateFloat(): double`, asNumber);
  environment.registerFunction(`${type}.compareTo(${type}): int`, compareQuantities);
  environment.registerFunction(
    `${type}.isLessThan(${type}): bool`,
    (left: QuantityValue, right: QuantityValue) => left.nanos < right.nanos,
  );
  environment.registerFunction(
    `${type}.isGreaterThan(${type}): bool`,
    (left: QuantityValue, right: QuantityValue) => left.nanos > right.nanos,
  );
  for (const other of [type, "int"]) {
    environment.registerFunction(`${type}.add(${other}): ${type}`, addQuantity);
    environment.registerFunction(`${type}.sub(${other}): ${type}`, subtractQuantity);
  }
}
