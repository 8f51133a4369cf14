/** CustomResourceDefinitions: the kind itself, and the kinds that its objects make. */
import { arrayOr, isJsonObject, jsonEqual, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import { compareVersions } from "../discovery/version-order.ts";
import { definitionColumns } from "./definition-columns.ts";
import { selectableFields } from "./selectable-fields.ts";
import { definitionFaults } from "../definition-check.ts";
import { isEstablished, nameConflicts, setAcceptedNames } from "../definitions/accepted-names.ts";
import type { KindDefinition, KindVersion, PrinterColumn } from "../kind.ts";
import { type FieldFault, invalidValue } from "../refusal.ts";
import { structuralSchema } from "../structural-schema.ts";
import type { WorkingObject } from "../working-object.ts";
import { timestamp } from "../write-context.ts";

/** Name of the shape of definitions themselves. */
const definitionName = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition";

/** Holds a definition until its objects are gone. */
export const definitionFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/** Group and resource of definitions. */
export const definitionResource = {
  group: "apiextensions.k8s.io",
  resource: "customresourcedefinitions",
} as const;

/**
 * On a definition: what becomes of unknown fields when a request does not say, `Strict`, `Warn` (the default) or
 * `Ignore`. A real API server takes no notice; there kubectl asks for `Strict` by itself.
 */
export const unknownFieldsAnnotation = "lambient.dev/field-validation";

/** The kind of definitions. @param served All kinds that are served now. */
export function definitionKind(nowMs: () => number, served: () => readonly KindDefinition[]): KindDefinition {
  return {
    ...definitionResource,
    singular: "customresourcedefinition",
    kind: "CustomResourceDefinition",
    listKind: "CustomResourceDefinitionList",
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    namespaced: false,
    versions: [{ name: "v1", columns: definitionColumns, definition: definitionName }],
    storageVersion: "v1",
    isCustom: false,
    nameForm: "subdomain",
    hasStatus: true,
    countsGeneration: true,
    needsVersion: true,
    unknownFields: "Ignore",
    rules: {
      onCreate(definition) {
        const spec = setDefaults(definition);
        const { plural } = objectOr(spec["names"]);
        const faults = definitionFaults(definition);
        if (faults.length > 0) return faults;
        const isBuiltIn = served().some(
          ({ isCustom, group, resource }) => !isCustom && group === spec["group"] && resource === plural,
        );
        if (isBuiltIn)
          return [invalidValue("spec.names.plural", plural, "a built-in kind of the group has it")];
        followSpec(definition);
        setAcceptedNames(definition, nameConflicts(definition, served()), timestamp(nowMs()));
        return [];
      },
      onUpdate(definition, old) {
        const spec = setDefaults(definition);
        const oldSpec = objectOr(old["spec"]);
        const faults = ["group", "scope"]
          .filter((field) => spec[field] !== oldSpec[field])
          .map((field) => invalidValue(`spec.${field}`, spec[field], "field is immutable"));
        const stored = followSpec(definition);
        if (!isEstablished(definition)) {
          setAcceptedNames(definition, nameConflicts(definition, served()), timestamp(nowMs()));
        }
        return jsonEqual(spec, oldSpec) ? stored : [...faults, ...stored, ...definitionFaults(definition)];
      },
      onDeletionStart(definition) {
        const { finalizers = [] } = definition.metadata;
        if (!finalizers.includes(definitionFinalizer)) {
          definition.metadata.finalizers = [...finalizers, definitionFinalizer];
        }
        setTerminating(definition, "InstanceDeletionPending", timestamp(nowMs()));
      },
    },
  };
}

/** The kind that a stored definition makes. */
export function kindOfDefinition(definition: WorkingObject): KindDefinition {
  const spec = objectOr(definition["spec"]);
  const names = objectOr(spec["names"]);
  const versions = arrayOr(spec["versions"]).map(objectOr);
  const storage = versions.find((version) => version["storage"] === true);
  return {
    group: textOr(spec["group"]),
    resource: textOr(names["plural"]),
    singular: textOr(names["singular"]),
    kind: textOr(names["kind"]),
    listKind: textOr(names["listKind"]),
    shortNames: textsOf(names["shortNames"]),
    categories: textsOf(names["categories"]),
    namespaced: spec["scope"] === "Namespaced",
    versions: versions
      .filter((version) => version["served"] === true)
      .map((version) => versionOf(definition, version))
      .sort((left, right) => compareVersions(left.name, right.name)),
    storageVersion: textOr(storage?.["name"]),
    isCustom: true,
    nameForm: "subdomain",
    hasStatus: versions.some((version) => isJsonObject(objectOr(version["subresources"])["status"])),
    ...scaleIn(versions),
    countsGeneration: true,
    needsVersion: true,
    unknownFields: unknownFieldsOf(definition),
    ...fieldsOf(versions),
    ...scaleOf(objectOr(storage)),
    rules: {},
  };
}

/** Where the stored version says how many it wants and has. */
function scaleOf(version: JsonObject): Pick<KindDefinition, "scale"> {
  const { scale } = objectOr(version["subresources"]);
  if (!isJsonObject(scale)) return {};
  const labelSelector = textOr(scale["labelSelectorPath"]);
  return {
    scale: {
      specReplicas: textOr(scale["specReplicasPath"]),
      statusReplicas: textOr(scale["statusReplicasPath"]),
      ...(labelSelector === "" ? {} : { labelSelector }),
    },
  };
}

/** Fields that any version names may be selected by, through every version. */
function fieldsOf(versions: readonly JsonObject[]): Pick<KindDefinition, "fields"> {
  const names = versions.flatMap((version) =>
    arrayOr(version["selectableFields"]).map((field) =>
      textOr(objectOr(field)["jsonPath"]).replace(/^\./, ""),
    ),
  );
  return names.length === 0 ? {} : { fields: selectableFields([...new Set(names)]) };
}

/** Where objects say how many they want and have, when a version declares it. */
function scaleIn(versions: readonly JsonObject[]): Pick<KindDefinition, "scale"> {
  const declared = versions.map((version) => objectOr(version["subresources"])["scale"]).find(isJsonObject);
  if (declared === undefined) return {};
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = declared;
  return {
    scale: {
      specReplicas: textOr(specReplicasPath),
      statusReplicas: textOr(statusReplicasPath),
      // A path that nothing is at: what has no selector has an empty one.
      labelSelector: textOr(labelSelectorPath),
    },
  };
}

function setDefaults(definition: WorkingObject): JsonObject {
  const spec = objectOr(definition["spec"]);
  const names = objectOr(spec["names"]);
  const kind = textOr(names["kind"]);
  names["singular"] ??= kind.toLowerCase();
  names["listKind"] ??= `${kind}List`;
  spec["names"] = names;
  spec["conversion"] ??= { strategy: "None" };
  definition["spec"] = spec;
  return spec;
}

/** What its status says of its spec: its names, and in which versions objects are or were stored. */
function followSpec(definition: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(definition["spec"]);
  const status = objectOr(definition["status"]);
  const versions = arrayOr(spec["versions"]).map(objectOr);
  const known = textsOf(status["storedVersions"]);
  const storage = versions.filter((version) => version["storage"] === true).map(({ name }) => textOr(name));
  const storedVersions = [...new Set([...known, ...storage])];
  definition["status"] = { ...status, acceptedNames: structuredClone(spec["names"]), storedVersions };
  return storedVersions.flatMap((stored, index) => {
    if (versions.some(({ name }) => name === stored)) return [];
    const why = `missing from spec.versions; ${stored} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${stored} and removes ${stored} from status.storedVersions`;
    return [invalidValue(`status.storedVersions[${index}]`, stored, why)];
  });
}

const terminatingMessages = {
  InstanceDeletionPending:
    "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
  InstanceDeletionInProgress: "CustomResource deletion is in progress",
} as const;

/** Says how far the deletion of its objects is. @returns whether that is news. */
export function setTerminating(
  definition: WorkingObject,
  reason: keyof typeof terminatingMessages,
  at: string,
): boolean {
  const status = objectOr(definition["status"]);
  const conditions = arrayOr(status["conditions"]).map(objectOr);
  const before = conditions.find(({ type }) => type === "Terminating");
  if (before?.["reason"] === reason) return false;
  const others = conditions.filter(({ type }) => type !== "Terminating");
  const condition = {
    type: "Terminating",
    status: "True",
    lastTransitionTime: before?.["lastTransitionTime"] ?? at,
    reason,
    message: terminatingMessages[reason],
  };
  definition["status"] = { ...status, conditions: [...others, condition] };
  return true;
}

function versionOf(definition: WorkingObject, version: JsonObject): KindVersion {
  const spec = objectOr(definition["spec"]);
  const name = textOr(version["name"]);
  const columns = arrayOr(version["additionalPrinterColumns"]).map(
    // Sound enough for display: a column of another form shows nothing.
    (column) => objectOr(column) as unknown as PrinterColumn,
  );
  const warning =
    textOr(version["deprecationWarning"]) ||
    `${textOr(spec["group"])}/${name} ${textOr(objectOr(spec["names"])["kind"])} is deprecated`;
  return {
    name,
    schema: structuralSchema(objectOr(objectOr(version["schema"])["openAPIV3Schema"])),
    columns,
    ...(version["deprecated"] === true ? { deprecation: warning } : {}),
  };
}

function unknownFieldsOf(definition: WorkingObject): KindDefinition["unknownFields"] {
  const wanted = definition.metadata.annotations?.[unknownFieldsAnnotation];
  return wanted === "Strict" || wanted === "Ignore" ? wanted : "Warn";
}
