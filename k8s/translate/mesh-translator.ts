/** Translates a mesh again and again: a namespace of which no object changed keeps its resources, the very same ones. */
import type { RoutedService } from "#core/proto/lambient/discovery_pb.js";
import type { MeshObjects, MeshSettings } from "./mesh-objects.ts";
import { isSamePorts, type NamedPorts, resolveNamedPorts } from "./named-ports.ts";
import { PodTranslator } from "./pod-translator.ts";
import { holdsSameButPods, splitByNamespace } from "./split-mesh.ts";
import {
  type MeshResources,
  type NamespaceResources,
  translateNamespace,
  translateOwn,
} from "./translate-mesh.ts";

interface Translated {
  readonly objects: MeshObjects;
  readonly resources: NamespaceResources;
  readonly pods: PodTranslator;
  readonly namedPorts: NamedPorts;
}

interface Own {
  readonly settings: MeshSettings;
  readonly isStrictKnown: boolean;
  readonly edgeServices: readonly RoutedService[];
  readonly resources: MeshResources;
}

/** Remembers one translation. */
export class MeshTranslator {
  #namespaces: ReadonlyMap<string, Translated> = new Map();
  #own: Own | undefined;

  /** Translates everything, as far as it is not what it was. */
  translate(objects: MeshObjects): MeshResources {
    const before = this.#namespaces;
    const parts = splitByNamespace(objects);
    this.#namespaces = new Map(
      [...parts].map(([namespace, part]) => [namespace, this.#translatePart(before, namespace, part)]),
    );
    const translated = [...this.#namespaces].map(([namespace, { pods, resources }]) => {
      const addresses = pods.translate(parts.get(namespace) ?? objects);
      return { pods: { ...nothing, addresses }, resources };
    });
    const namespaces = translated.map(({ resources }) => resources);
    const own = this.#translateOwn(objects, namespaces);
    // A Pod that has the name of something of the mesh's own gives way to it.
    return merge([...translated.map(({ pods }) => pods), own, ...namespaces]);
  }

  #translatePart(
    before: ReadonlyMap<string, Translated>,
    namespace: string,
    objects: MeshObjects,
  ): Translated {
    const known = before.get(namespace);
    const namedPorts = resolveNamedPorts(objects);
    const isSame =
      known !== undefined &&
      holdsSameButPods(known.objects, objects) &&
      isSamePorts(known.namedPorts, namedPorts);
    if (isSame) return known;
    const pods = known?.pods ?? new PodTranslator(namespace);
    return { objects, resources: translateNamespace(namespace, objects, namedPorts), pods, namedPorts };
  }

  #translateOwn(
    { settings, peerAuthentications }: MeshObjects,
    parts: readonly NamespaceResources[],
  ): MeshResources {
    const edgeServices = parts.flatMap((part) => part.edgeServices);
    const isStrictKnown = peerAuthentications.length > 0;
    const known = this.#own;
    const isSame =
      known?.settings === settings &&
      known.isStrictKnown === isStrictKnown &&
      known.edgeServices.length === edgeServices.length &&
      known.edgeServices.every((service, index) => service === edgeServices[index]);
    if (known !== undefined && isSame) return known.resources;
    const resources = translateOwn(settings, edgeServices, isStrictKnown);
    this.#own = { settings, isStrictKnown, edgeServices, resources };
    return resources;
  }
}

const nothing: MeshResources = {
  addresses: new Map(),
  policies: new Map(),
  templates: new Map(),
  waypoints: new Map(),
};

/** Names hold their namespace, so that no two parts have one in common. */
function merge(parts: readonly MeshResources[]): MeshResources {
  return {
    addresses: new Map(parts.flatMap(({ addresses }) => [...addresses])),
    policies: new Map(parts.flatMap(({ policies }) => [...policies])),
    templates: new Map(parts.flatMap(({ templates }) => [...templates])),
    waypoints: new Map(parts.flatMap(({ waypoints }) => [...waypoints])),
  };
}
