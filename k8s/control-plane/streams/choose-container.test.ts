import { expect, test } from "bun:test";
import { chooseContainer, isRunning, missingLog } from "./choose-container.ts";
import { viewPod } from "./pod-view.ts";

function pod(
  containers: readonly string[],
  status: object = {},
  more: object = {},
): ReturnType<typeof viewPod> {
  return viewPod({
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { nodeName: "node-0", containers: containers.map((name) => ({ name })), ...more },
    status,
  });
}

const others = { initContainers: [{ name: "init" }], ephemeralContainers: [{ name: "debug" }] };

const choices: [string, ReturnType<typeof pod>, string, unknown][] = [
  ["the only one", pod(["a"]), "", "a"],
  ["the one that is named", pod(["a", "b"]), "b", "b"],
  ["the only one beside init containers", pod(["a"], {}, others), "", "a"],
  ["an init container", pod(["a"], {}, others), "init", "init"],
  ["an ephemeral container", pod(["a"], {}, others), "debug", "debug"],
  [
    "none of several",
    pod(["a", "b"], {}, others),
    "",
    "a container name must be specified for pod p, choose one of: [init a b debug]",
  ],
  ["none of none", pod([]), "", "a container name must be specified for pod p"],
  ["one that is not there", pod(["a"]), "x", "container x is not valid for pod p"],
];
test.each(choices)("chooseContainer() gives %s", (_, view, name, wanted) => {
  const chosen = chooseContainer(view, name);
  expect(chosen.ok ? chosen.value.name : chosen.error).toBe(wanted as string);
});

const ended = { terminated: { containerID: "x://1" } };
const unborn = { terminated: {} };
const what = 'container "a" in pod "p"';
const logs: [string, object, boolean, string | undefined][] = [
  ["one that runs", { state: { running: {} } }, false, undefined],
  ["one that ended", { state: ended }, false, undefined],
  ["one that never was", { state: unborn }, false, `${what} is terminated`],
  ["the instance before one that never was", { state: unborn, lastState: ended }, false, undefined],
  [
    "one that waits to start again",
    { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: ended },
    false,
    undefined,
  ],
  [
    "one that waits, after one that never was",
    { state: { waiting: {} }, lastState: unborn },
    false,
    `${what} is terminated`,
  ],
  [
    "one that is made",
    { state: { waiting: { reason: "ContainerCreating" } } },
    false,
    `${what} is waiting to start: ContainerCreating`,
  ],
  [
    "one without an image",
    { state: { waiting: { reason: "ErrImagePull" } } },
    false,
    `${what} is waiting to start: image can't be pulled`,
  ],
  [
    "one still without an image",
    { state: { waiting: { reason: "ImagePullBackOff" } } },
    false,
    `${what} is waiting to start: trying and failing to pull image`,
  ],
  ["one of which nothing is said", {}, false, `${what} is waiting to start - no logs yet`],
  ["the one before", { state: { running: {} }, lastState: ended }, true, undefined],
  ["the one before the first", { state: { running: {} } }, true, `previous terminated ${what} not found`],
];
test.each(logs)("missingLog() of %s", (_, status, previous, wanted) => {
  const view = pod(["a"], { containerStatuses: [{ name: "a", ...status }] });
  expect(missingLog(view, "a", previous)).toBe(wanted);
});

test("a container without a status has no log and does not run", () => {
  expect(missingLog(pod(["a"]), "a", false)).toBe(`${what} is not available`);
  expect(isRunning(pod(["a"]), "a")).toBe(false);
  const statuses = { initContainerStatuses: [{ name: "init", state: { running: {} } }] };
  expect(isRunning(pod(["a"], statuses, others), "init")).toBe(true);
});

test("viewPod() takes anything", () => {
  for (const value of [
    undefined,
    null,
    3,
    "x",
    [],
    { spec: 1, status: [], metadata: { annotations: 2 } },
    { spec: { containers: [1] } },
  ])
    expect(viewPod(value).name).toBe("");
});
