/** Rollouts, stepped by hand: what is decided is applied to the objects, and ReplicaSets get their Pods as a test says. */
import { expect, test } from "bun:test";
import { meta } from "../../../tests/support/kube-objects.ts";
import { nowMs, ownedBy, podObject, templateOf } from "../../../tests/support/workload-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import type { DeploymentObject, ReplicaSetObject } from "../../model/workload.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { findCondition } from "../workloads/workload-conditions.ts";
import { reconcileDeployment } from "./reconcile-deployment.ts";
import { resolveCount } from "./replica-counts.ts";
import { revisionAnnotation, revisionOf } from "./revisions.ts";

function deploymentOf(replicas: number, more: Partial<DeploymentObject["spec"]> = {}): DeploymentObject {
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: meta("shop", "web"),
    spec: {
      replicas,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      selector: { matchLabels: labels },
      template: templateOf(labels),
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      ...more,
    },
  };
}

/** A Deployment's world, in which time stands still. */
class World {
  deployment: DeploymentObject;
  sets = new Map<string, ReplicaSetObject>();
  pods: readonly PodObject[] = [];
  events: string[] = [];
  nowMs = nowMs;

  constructor(deployment: DeploymentObject) {
    this.deployment = deployment;
  }

  /** Decides and applies once. @returns how many actions there were */
  step(): number {
    const { actions } = reconcileDeployment({
      deployment: this.deployment,
      sets: [...this.sets.values()],
      pods: this.pods,
      nowMs: this.nowMs,
    });
    for (const action of actions) this.#apply(action);
    return actions.length;
  }

  /** Gives the ReplicaSets the Pods that they wish for, as far as the templates named serve. */
  fill(serves: (set: ReplicaSetObject) => boolean = () => true): void {
    for (const [name, set] of this.sets) {
      const replicas = set.spec.replicas ?? 1;
      const ready = serves(set) ? replicas : 0;
      const status = { replicas, readyReplicas: ready, availableReplicas: ready, observedGeneration: 9 };
      this.sets.set(name, { ...set, status });
    }
  }

  /** Until nothing is left to do. */
  settle(serves?: (set: ReplicaSetObject) => boolean): readonly string[] {
    const sizes: string[] = [];
    for (let steps = 0; steps < 100; steps++) {
      const did = this.step();
      sizes.push(this.sizes());
      if (did === 0) return sizes;
      this.fill(serves);
    }
    throw new Error(`It never settles: ${sizes.slice(-4).join(" ")}`);
  }

  /** By revision, `1:3 2:0`. */
  sizes(): string {
    return [...this.sets.values()]
      .sort((a, b) => revisionOf(a) - revisionOf(b))
      .map((set) => `${revisionOf(set)}:${set.spec.replicas ?? 1}`)
      .join(" ");
  }

  change(spec: Partial<DeploymentObject["spec"]>): void {
    const { metadata } = this.deployment;
    const generation = (metadata.generation ?? 0) + 1;
    const spec_ = { ...this.deployment.spec, ...spec };
    this.deployment = { ...this.deployment, metadata: { ...metadata, generation }, spec: spec_ };
  }

  progress(): string | undefined {
    return findCondition(this.deployment.status?.conditions, "Progressing")?.reason;
  }

  #apply(action: WorkloadAction): void {
    if ("saying" in action && action.saying?.onDone !== undefined)
      this.events.push(action.saying.onDone.message);
    switch (action.kind) {
      case "create": {
        const { name = "", labels = {}, annotations = {} } = action.draft.metadata;
        const metadata = meta("shop", name, {
          labels,
          annotations,
          ownerReferences: [ownedBy("Deployment", "web")],
        });
        // Sound: this controller makes ReplicaSets only.
        const set = { ...action.draft, apiVersion: "apps/v1", kind: "ReplicaSet", metadata } as unknown;
        this.sets.set(name, set as ReplicaSetObject);
        break;
      }
      case "patch":
        this.#patch(action.key.name, action.value);
        break;
      case "status":
        this.deployment = {
          ...this.deployment,
          status: action.status,
        };
        break;
      case "delete":
        this.sets.delete(action.key.name);
        break;
      case "event":
        this.events.push(action.event.message);
    }
  }

  #patch(name: string, value: { readonly metadata?: object; readonly spec?: object }): void {
    const patched = <Kind extends DeploymentObject | ReplicaSetObject>(object: Kind): Kind => {
      const annotations = {
        ...object.metadata.annotations,
        ...(value.metadata as { annotations?: object })?.annotations,
      };
      return {
        ...object,
        metadata: { ...object.metadata, annotations },
        spec: { ...object.spec, ...value.spec },
      };
    };
    const set = this.sets.get(name);
    if (set !== undefined) this.sets.set(name, patched(set));
    else this.deployment = patched(this.deployment);
  }
}

const v2 = { template: templateOf({ app: "web" }, "x:2") };
const v3 = { template: templateOf({ app: "web" }, "x:3") };

test("the first template gets a ReplicaSet with all Pods; then it is complete", () => {
  const world = new World(deploymentOf(3));
  world.step();
  expect([world.sizes(), world.progress(), world.events]).toEqual([
    "1:3",
    "NewReplicaSetCreated",
    ["Scaled up replica set {name} from 0 to 3"],
  ]);
  world.fill();
  world.settle();
  expect(world.deployment.status).toMatchObject({
    replicas: 3,
    updatedReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  expect(world.progress()).toBe("NewReplicaSetAvailable");
  expect(world.deployment.metadata.annotations?.[revisionAnnotation]).toBe("1");
});

test.each<[string, number, NonNullable<DeploymentObject["spec"]["strategy"]>, number, number]>([
  ["a quarter more, a quarter fewer", 4, { rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } }, 5, 3],
  ["none fewer", 4, { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }, 5, 4],
  ["none more", 10, { rollingUpdate: { maxSurge: 0, maxUnavailable: "30%" } }, 10, 7],
  ["all at once", 3, { rollingUpdate: { maxSurge: "100%", maxUnavailable: 0 } }, 6, 3],
  ["nothing may move, so one may", 2, { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } }, 2, 1],
])("a rollout with %s", (...[, replicas, strategy, totalMax, availableMin]) => {
  const world = new World(deploymentOf(replicas, { strategy }));
  world.settle();
  world.change(v2);
  for (let steps = 0; steps < 60 && world.step() > 0; steps++) {
    const sets = [...world.sets.values()];
    const sum = sets.reduce((total, { spec }) => total + (spec.replicas ?? 1), 0);
    // Pods that are wished for and were there before are still there; the new ones are not available yet.
    const available = sets.reduce(
      (total, { spec, status }) => total + Math.min(spec.replicas ?? 1, status?.availableReplicas ?? 0),
      0,
    );
    expect(sum).toBeLessThanOrEqual(totalMax);
    expect(available).toBeGreaterThanOrEqual(availableMin);
    world.fill();
  }
  expect(world.sizes()).toBe(`1:0 2:${replicas}`);
});

test("a template that does not serve stops the rollout, and is late after its deadline", () => {
  const world = new World(deploymentOf(4));
  world.settle();
  world.change(v2);
  world.settle((set) => revisionOf(set) === 1);
  expect(world.sizes()).toBe("1:3 2:2");
  expect(world.progress()).toBe("ReplicaSetUpdated");
  world.nowMs += 601_000;
  world.step();
  expect(world.progress()).toBe("ProgressDeadlineExceeded");
  // The old template comes back: its ReplicaSet is the newest again, the broken one goes first.
  world.change({ template: templateOf({ app: "web" }) });
  world.settle((set) => set.spec.template.spec.containers[0]?.image === "x:1");
  expect(world.sizes()).toBe("2:0 3:4");
  expect(
    [...world.sets.values()].map(
      ({ metadata }) => metadata.annotations?.["deployment.kubernetes.io/revision-history"],
    ),
  ).toContain("1");
});

test("paused: scaling goes on, templates do not", () => {
  const world = new World(deploymentOf(3));
  world.settle();
  world.change({ ...v2, paused: true, replicas: 5 });
  world.settle();
  expect([world.sizes(), world.progress()]).toEqual(["1:5", "DeploymentPaused"]);
  world.change({ paused: false });
  world.step();
  expect(["DeploymentResumed", "NewReplicaSetCreated"]).toContain(world.progress() ?? "");
  world.fill();
  world.settle();
  expect([world.sizes(), world.progress()]).toEqual(["1:0 2:5", "NewReplicaSetAvailable"]);
});

test("one that is scaled in the middle of a rollout scales its templates in proportion", () => {
  const world = new World(deploymentOf(10));
  world.settle();
  world.change(v2);
  world.settle((set) => revisionOf(set) === 1);
  expect(world.sizes()).toBe("1:8 2:5");
  world.change({ replicas: 20 });
  world.settle((set) => revisionOf(set) === 1);
  expect(world.sizes()).toBe("1:15 2:10");
});

test("Recreate starts nothing new until the last old Pod is gone", () => {
  const world = new World(deploymentOf(2, { strategy: { type: "Recreate" } }));
  world.settle();
  const [old] = world.sets.keys();
  world.pods = [podObject("a", { owner: { kind: "ReplicaSet", name: old ?? "" }, isEnding: true })];
  world.change(v2);
  world.settle();
  expect(world.sizes()).toBe("1:0");
  world.pods = [];
  world.settle();
  expect(world.sizes()).toBe("1:0 2:2");
});

test("old templates beyond those kept go, the oldest first", () => {
  const world = new World(deploymentOf(1, { revisionHistoryLimit: 1 }));
  world.settle();
  world.change(v2);
  world.settle();
  world.change(v3);
  world.settle();
  expect(world.sizes()).toBe("2:0 3:1");
});

test("another ReplicaSet of the name makes it choose another name", () => {
  const world = new World(deploymentOf(1));
  world.step();
  const [name = ""] = world.sets.keys();
  const stranger = new World(deploymentOf(1));
  const metadata = meta("shop", name, { labels: { app: "other" } });
  stranger.sets.set(name, { ...(world.sets.get(name) as ReplicaSetObject), metadata });
  stranger.step();
  expect(stranger.deployment.status?.collisionCount).toBe(1);
  stranger.step();
  expect(stranger.sets.size).toBe(2);
});

test("one that is being deleted is left to its end", () => {
  const deployment = deploymentOf(1);
  const metadata = { ...deployment.metadata, deletionTimestamp: "2026-01-01T00:00:59Z" };
  expect(new World({ ...deployment, metadata }).step()).toBe(0);
});

test.each<[number | string | undefined, number, "up" | "down", number]>([
  [2, 10, "up", 2],
  ["25%", 10, "up", 3],
  ["25%", 10, "down", 2],
  ["0%", 10, "up", 0],
  ["3", 10, "up", 3],
  ["no count", 10, "up", 0],
  [undefined, 10, "up", 0],
])("resolveCount(%p of %d, %s) = %d", (value, whole, round, want) => {
  expect(resolveCount(value, whole, round)).toBe(want);
});
