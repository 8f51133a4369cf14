/** Translates a mesh again and again: a namespace of which no object changed keeps its resources, the very same ones. */
import type { RoutedService } from "#core/proto/lambient/discovery_pb.js";
import type { MeshObjects, MeshSettings } from "./mesh-objects.ts";
import { holdsSame, splitByNamespace } from "./split-mesh.ts";
import {
  type MeshResources,
  type NamespaceResources,
  translateNamespace,
  translateOwn,
} from "./translate-mesh.ts";

interface Translated {
  readonly objects: MeshObjects;
  readonly resources: NamespaceResources;
}

interface Own {
  readonly settings: MeshSettings;
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
    this.#namespaces = new Map(
      [...splitByNamespace(objects)].map(([namespace, part]) => {
        const known = before.get(namespace);
        if (known !== undefined && holdsSame(known.objects, part)) return [namespace, known];
        return [namespace, { objects: part, resources: translateNamespace(namespace, part) }];
      }),
    );
    const parts = [...this.#namespaces.values()].map(({ resources }) => resources);
    return merge([this.#translateOwn(objects.settings, parts), ...parts]);
  }

  #translateOwn(settings: MeshSettings, parts: readonly NamespaceResources[]): MeshResources {
    const edgeServices = parts.flatMap((part) => part.edgeServices);
    const known = this.#own;
    const isSame =
      known?.settings === settings &&
      known.edgeServices.length === edgeServices.length &&
      known.edgeServices.every((service, index) => service === edgeServices[index]);
    if (known !== undefined && isSame) return known.resources;
    const resources = translateOwn(settings, edgeServices);
    this.#own = { settings, edgeServices, resources };
    return resources;
  }
}

/** Names hold their namespace, so that no two parts have one in common. */
function merge(parts: readonly MeshResources[]): MeshResources {
  return {
    addresses: new Map(parts.flatMap(({ addresses }) => [...addresses])),
    policies: new Map(parts.flatMap(({ policies }) => [...policies])),
    templates: new Map(parts.flatMap(({ templates }) => [...templates])),
    waypoints: new Map(parts.flatMap(({ waypoints }) => [...waypoints])),
  };
}
