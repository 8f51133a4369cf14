/** The API in memory with its controllers and a scripted node, in the process of the test. */
import { systemClock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { silentLog } from "#host/log.ts";
import type { Api } from "../../k8s/api/api.ts";
import { openApi } from "../../k8s/api/open-api.ts";
import { type Controllers, openControllers } from "../../k8s/controllers/open-controllers.ts";
import type { InstanceSource } from "../../k8s/controllers/instances/open-instance-pods.ts";
import { podBinding } from "../../k8s/controllers/scheduling/bind-pod.ts";
import { lambientDefinitions } from "../../k8s/model/definitions.ts";
import { type ScriptedKubelet, scriptKubelet } from "./scripted-kubelet.ts";

/** An API that lives. */
export interface ControlledApi extends AsyncDisposable {
  readonly api: Api;
  readonly kube: KubeClient;
  readonly kubelet: ScriptedKubelet;
  readonly controllers: Controllers;
  /** Components whose tries failed, in order. */
  readonly failures: string[];
  /** Ends the controllers and begins them anew on the same objects, as a restart would. */
  restartControllers(): void;
}

const noInstances: InstanceSource = {
  instances: [],
  ended: [],
  node: "node-0",
  nodeAddress: "10.244.0.1",
  known: Promise.resolve(),
};

/** Opens it. */
export async function openControlledApi(instances: InstanceSource = noInstances): Promise<ControlledApi> {
  const api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    definitions: lambientDefinitions,
    subresources: [podBinding],
  });
  const failures: string[] = [];
  const open = (): Controllers =>
    openControllers({
      api,
      instances,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      onFailure: (component) => void failures.push(component),
    });
  let controllers = open();
  const kubelet = await scriptKubelet(api.client);
  return {
    api,
    kube: api.client,
    kubelet,
    failures,
    get controllers() {
      return controllers;
    },
    restartControllers() {
      controllers.close();
      controllers = open();
    },
    async [Symbol.asyncDispose]() {
      kubelet[Symbol.dispose]();
      controllers.close();
      // What is under way ends before the file does.
      await Bun.sleep(0);
      api.close();
    },
  };
}
