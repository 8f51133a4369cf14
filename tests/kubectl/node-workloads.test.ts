/** Every kind that makes Pods at once, with kubectl on the mesh's own node: they run, are replaced, scaled, end; and nodes that take none. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { waitUntil } from "../support/wait-until.ts";
import { describeKubectl } from "./scene.ts";

setDefaultTimeout(90_000);

const workloads = (namespace: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${namespace} }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: c, image: one, command: [/bin/sh, -c, "echo hello; exec sleep 1000"] }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${namespace} }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: ${namespace} }
spec:
  replicas: 2
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: c, image: one, command: [/bin/sh, -c, "hostname; exec sleep 1000"] }]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent, namespace: ${namespace} }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: c, image: one, command: [/bin/sh, -c, "exec sleep 1000"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: sum, namespace: ${namespace} }
spec:
  completions: 3
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: c, image: one, command: [/bin/sh, -c, "echo done"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: fail, namespace: ${namespace} }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: c, image: one, command: [/bin/sh, -c, "exit 3"] }]
`;

describeKubectl("workloads on the node", ["mesh"], (scene) => {
  const { run, feed } = scene;

  test("they run, roll out, scale, end, and go with their namespace", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace] as const;
    const rollOut = async (...names: readonly string[]): Promise<void> => {
      for (const name of names) await run("rollout", "status", name, "--timeout=40s", ...at);
    };
    await feed(workloads(namespace), "apply", "-f", "-");
    await rollOut("deploy/web", "sts/db", "ds/agent");
    await run("wait", "--for=condition=complete", "job/sum", "--timeout=40s", ...at);
    await run("wait", "--for=condition=failed", "job/fail", "--timeout=40s", ...at);
    expect(await run("get", "deploy", "web", "--no-headers", ...at)).toMatch(/^web +2\/2 +2 +2 +\d+s\n$/);
    expect(await run("get", "sts", "db", "--no-headers", ...at)).toMatch(/^db +2\/2 +\d+s\n$/);
    expect(await run("get", "job", "sum", "--no-headers", ...at)).toMatch(
      /^sum +Complete +3\/3 +\d+s +\d+s\n$/,
    );
    expect(await run("logs", "db-1", ...at)).toBe("db-1\n");
    expect(await run("logs", "job/sum", ...at)).toBe("done\n");
    const addresses = "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}";
    await waitUntil("both Pods are endpoints", async () => {
      const slices = ["endpointslices", "-l", "kubernetes.io/service-name=web"];
      return /^10\.244\.0\.\d+ 10\.244\.0\.\d+$/.test(await run("get", ...slices, "-o", addresses, ...at));
    });

    await run("set", "image", "deploy/web", "sts/db", "ds/agent", "c=two", ...at);
    await rollOut("deploy/web", "sts/db", "ds/agent");
    const images = 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\\n"}{end}';
    await waitUntil("only the new ones are left", async () => {
      const text = await run("get", "pods", "-l", "app in (web,db,agent)", "-o", images, ...at);
      return text === "two\n".repeat(5);
    });
    await run("scale", "deploy/web", "--replicas=3", ...at);
    await rollOut("deploy/web");
    await run("delete", "pod", "db-0", ...at);
    await rollOut("sts/db");

    const described = await run("describe", "deploy", "web", ...at);
    expect(described).toMatch(
      /ScalingReplicaSet .*deployment-controller +Scaled up replica set web-[a-z0-9]+ from 0 to 2/,
    );
    expect(described).toMatch(/NewReplicaSet: +web-[a-z0-9]+ \(3\/3 replicas created\)/);
    expect(await run("describe", "pod", "db-0", ...at)).toMatch(
      new RegExp(`Scheduled .*default-scheduler +Successfully assigned ${namespace}/db-0 to node-0`),
    );
    expect(await run("describe", "job", "fail", ...at)).toMatch(
      /Warning +BackoffLimitExceeded .*job-controller/,
    );
    await run("delete", "namespace", namespace, "--timeout=60s");
  });

  test("a Pod that fits nowhere waits and says why; a cordoned node takes none", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace] as const;
    const pod = (name: string, more = ""): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${more} terminationGracePeriodSeconds: 1, containers: [{ name: c, image: one, command: [/bin/sleep, "1000"] }] }
`;
    await feed(pod("picky", "nodeSelector: { disk: ssd },"), "create", "-f", "-");
    await waitUntil("it says why", async () =>
      (await run("describe", "pod", "picky", ...at)).includes(
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
      ),
    );
    await run("label", "node", "node-0", "disk=ssd");
    await run("wait", "--for=condition=ready", "pod/picky", "--timeout=30s", ...at);
    await run("label", "node", "node-0", "disk-");
    await run("cordon", "node-0");
    await feed(pod("late"), "create", "-f", "-");
    await waitUntil("it waits", async () =>
      (await run("describe", "pod", "late", ...at)).includes("1 node(s) were unschedulable"),
    );
    await run("uncordon", "node-0");
    await run("wait", "--for=condition=ready", "pod/late", "--timeout=30s", ...at);
    await run("delete", "namespace", namespace, "--timeout=60s");
  });
});
