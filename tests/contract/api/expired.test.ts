/** History that is not kept any more, asked over HTTPS of the embedded API: a real one keeps the last minutes whatever its store forgets. */
import { expect, test } from "bun:test";
import { openScene, refusal } from "./scene.ts";

test("a watch from a version before all history is told so by its first event", async () => {
  await using scene = await openScene("expired");
  const watch = await scene.api.watch(`${scene.path("configmaps")}?watch=true&resourceVersion=1`);
  const event = await watch.next();
  expect([watch.status, event?.["type"] as unknown]).toEqual([200, "ERROR"]);
  expect(event?.["object"]).toMatchObject({ kind: "Status", code: 410, reason: "Expired" });
  watch.close();
});

test("a list at exactly a version that is past is refused", async () => {
  await using scene = await openScene("expired");
  const path = `${scene.path("configmaps")}?resourceVersion=1&resourceVersionMatch=Exact`;
  expect(refusal(await scene.api.ask("GET", path)).slice(0, 2)).toEqual([410, "Expired"]);
});
