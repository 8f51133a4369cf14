/** From a container's spec to a process that can be started: command, variables, privileges, root. What cannot be had is told in Kubernetes' words. */
import { closeSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result } from "#core/result.ts";
import { type Cgroup, type CgroupLimits, openCgroup } from "#host/linux/cgroup.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Container } from "../../model/container.ts";
import type { PodObject } from "../../model/pod.ts";
import { resolveEnvironment } from "../../reconcile/pods/environment.ts";
import { expandVariables } from "../../reconcile/pods/expand.ts";
import { hostnameOf } from "../../reconcile/pods/name-files.ts";
import type { PodPlace } from "../../reconcile/pods/pod-fields.ts";
import { cpuMillis, parseQuantity } from "../../reconcile/pods/quantity.ts";
import { serviceVariables } from "../../reconcile/pods/service-variables.ts";
import { type ContainerPrivileges, readPrivileges } from "./container-privileges.ts";
import { type ContainerPlan, defaultPath } from "./container-process.ts";
import type { RootMount } from "./container-root.ts";
import { openStreams, type OurStreams } from "./container-streams.ts";
import { openTree } from "./detached-tree.ts";
import { findImage, type MappedImage } from "./image-map.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import { fieldReaders, gatherObjects, namedObjects, textsOf } from "./pod-objects.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { PodVolumes } from "./pod-volumes.ts";

/** A Pod as its containers are planned in it. */
export interface PlanContext {
  readonly host: KubeletHost;
  readonly pod: PodObject;
  readonly place: PodPlace;
  readonly paths: PodPaths;
  readonly volumes: PodVolumes;
  /** Absent: the node's own network. */
  readonly networkFd: number | undefined;
}

/** Why a container cannot be started. */
export interface PlanProblem {
  readonly reason: "ErrImagePull" | "CreateContainerConfigError" | "CreateContainerError";
  readonly message: string;
}

/** What a command is run with, known before anything is made for it. */
export interface Configuration {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly privileges: ContainerPrivileges;
}

const layerBytesDefault = 1 << 30;
const processesMax = 4096;

/** Decides what a container runs. */
export async function configureContainer(
  { host, pod, place }: PlanContext,
  container: Container,
): Promise<Result<Configuration, PlanProblem>> {
  const image = findImage(host.images, container.image ?? "");
  if (image === undefined && (container.command ?? []).length === 0) {
    return err({ reason: "ErrImagePull", message: missingImage(container.image ?? "") });
  }
  const privileges = readPrivileges(pod.spec, container);
  if (!privileges.ok) return err({ reason: "CreateContainerConfigError", message: privileges.error });
  const variables = await readVariables(host, pod, { place, container, image });
  if (!variables.ok) return err({ reason: "CreateContainerConfigError", message: variables.error });
  const { value: values } = variables;
  return ok({
    command: wordsOf(container, image).map((word) => expandVariables(word, values)),
    env: {
      ...usualVariables(container, privileges.value),
      HOSTNAME: hostnameOf(pod, host.node.name),
      ...Object.fromEntries(values),
    },
    workingDir: container.workingDir ?? image?.workingDir ?? "/",
    privileges: privileges.value,
  });
}

function usualVariables({ tty }: Container, { uid }: ContainerPrivileges): Readonly<Record<string, string>> {
  const terminal = tty === true ? { TERM: "xterm" } : {};
  return { PATH: defaultPath, HOME: uid === 0 ? "/root" : "/", ...terminal };
}

/** As in Kubernetes: a command of the container's own also replaces the image's arguments. */
function wordsOf({ command = [], args }: Container, image: MappedImage | undefined): readonly string[] {
  if (command.length > 0) return [...command, ...(args ?? [])];
  return [...(image?.command ?? []), ...(args ?? image?.args ?? [])];
}

function missingImage(name: string): string {
  return `image "${name}" stands for no local command on this node, which pulls nothing: give the container a command, or map the image in the file that \`lambient up --images\` names`;
}

async function readVariables(
  host: KubeletHost,
  pod: PodObject,
  of: { readonly place: PodPlace; readonly container: Container; readonly image: MappedImage | undefined },
): Promise<Result<ReadonlyMap<string, string>>> {
  const { container, image, place } = of;
  const objects = await gatherObjects(
    host.volumes.objects,
    pod,
    namedObjects([container.env, container.envFrom]),
  );
  const linked = pod.spec.enableServiceLinks === false ? [] : host.servicesOf(pod.metadata.namespace);
  const found = resolveEnvironment(container, {
    namespace: pod.metadata.namespace,
    configMap: (name) => textsOf(objects.configMaps.get(name)),
    secret: (name) => textsOf(objects.secrets.get(name)),
    services: serviceVariables(linked),
    ...fieldReaders(pod, place, container.name),
  });
  return found.ok ? ok(new Map([...Object.entries(image?.env ?? {}), ...found.value])) : found;
}

/** A plan whose mounts and streams are open until it is closed; our ends of the streams stay open. */
export interface OpenPlan extends Disposable {
  readonly plan: ContainerPlan;
  readonly ours: OurStreams;
}

/** Makes what the process needs. @throws Error with what cannot be made */
export function openPlan(
  context: PlanContext,
  of: { readonly container: Container; readonly configuration: Configuration; readonly run: number },
): OpenPlan {
  const { host, pod, paths, volumes } = context;
  const { container, configuration, run } = of;
  const env = new Map(Object.entries(configuration.env));
  const mounts: RootMount[] = volumes.openMounts(pod, container, env);
  const streams = openStreams(host.libc, paths.streams(container.name, run), container);
  const close = (): void => {
    for (const { treeFd } of mounts) closeSync(treeFd);
    for (const fd of streams.theirs.values()) closeSync(fd);
  };
  try {
    for (const [path, target] of ownFiles(paths, of)) {
      if (mounts.some((mount) => mount.target === target)) continue;
      mounts.push({ treeFd: openTree(host.libc, path, { isReadOnly: false }), target, isFolder: false });
    }
    const plan: ContainerPlan = {
      ...configuration,
      hostname: hostnameOf(pod, host.node.name),
      networkFd: context.networkFd,
      members: openContainerCgroup(host, pod, container).memberFiles(limitsOf(container)),
      streams: streams.theirs,
      root: {
        kind: host.rootKind,
        layerBytesMax: layerBytes(container),
        hidden: host.hidden,
        mounts,
        isReadOnly: container.securityContext?.readOnlyRootFilesystem === true,
        workingDir: configuration.workingDir,
      },
    };
    return { plan, ours: streams.ours, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw new Error(errorText(error), { cause: error });
  }
}

/** The path of a container's group, below the mounts. */
function containerCgroupPath(host: KubeletHost, uid: string, container: string): string {
  return `${host.cgroupPath}/${uid}/${container}`;
}

/** The container's group, with its limits. */
export function openContainerCgroup(host: KubeletHost, pod: PodObject, container: Container): Cgroup {
  const path = containerCgroupPath(host, pod.metadata.uid, container.name);
  return openCgroup(host.cgroups, path, limitsOf(container));
}

function limitsOf({ resources }: Container): CgroupLimits {
  const memoryBytesMax = parseQuantity(resources?.limits?.["memory"]);
  const cpuMillisMax = cpuMillis(resources?.limits?.["cpu"]);
  return {
    processesMax,
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax: Math.ceil(memoryBytesMax) }),
    ...(cpuMillisMax === undefined ? {} : { cpuMillisMax }),
  };
}

function layerBytes({ resources }: Container): number {
  return Math.ceil(parseQuantity(resources?.limits?.["ephemeral-storage"]) ?? layerBytesDefault);
}

/** Small files of the Pod that every container sees, and the one for its last words. */
function ownFiles(
  paths: PodPaths,
  { container, run }: { readonly container: Container; readonly run: number },
): readonly (readonly [string, string])[] {
  const message = paths.terminationMessage(container.name, run);
  mkdirSync(dirname(message), { recursive: true, mode: 0o700 });
  // Whoever the container runs as may leave a message.
  writeFileSync(message, "", { mode: 0o666, flag: "w" });
  return [
    [paths.resolvConf, "/etc/resolv.conf"],
    [paths.hosts, "/etc/hosts"],
    [message, container.terminationMessagePath ?? "/dev/termination-log"],
  ];
}
