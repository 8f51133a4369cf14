import { expect, test } from "bun:test";
import { err, ok } from "#core/result.ts";
import { rememberVerdicts } from "./remember-verdicts.ts";

const revision = (name: string) => ({ namespace: "shop", name, spec: {} as never });

test("a revision is verified once, whichever the verdict; beyond the bound all are verified anew", () => {
  const verified: string[] = [];
  const verify = rememberVerdicts(({ name }) => {
    verified.push(name);
    return name === "forged" ? err("its signature does not fit") : ok(true as const);
  }, 2);
  const verdicts = ["cart", "forged", "cart", "forged"].map((name) => verify(revision(name)).ok);
  expect(verdicts).toEqual([true, false, true, false]);
  expect(verified).toEqual(["cart", "forged"]);
  verify(revision("web"));
  verify(revision("web"));
  expect(verify(revision("forged")).ok).toBe(false);
  verify(revision("forged"));
  expect(verified).toEqual(["cart", "forged", "web", "forged"]);
});
