/** A kind that nobody here has seen before: from its definition on it is like any other. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { describeKubectl, type KubectlScene } from "./scene.ts";

setDefaultTimeout(60_000);

/** Of a group of its own, since definitions belong to no namespace. */
function definition(group: string): string {
  return `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: telescopes.${group} }
spec:
  group: ${group}
  scope: Namespaced
  names: { plural: telescopes, singular: telescope, kind: Telescope, shortNames: [tel], categories: [optics] }
  versions:
    - name: v1
      served: true
      storage: true
      subresources:
        status: {}
        scale: { specReplicasPath: .spec.mirrors, statusReplicasPath: .status.mirrors }
      additionalPrinterColumns:
        - { name: Mirrors, type: integer, jsonPath: .spec.mirrors }
        - { name: Site, type: string, jsonPath: .spec.site.name, priority: 1 }
        - { name: Age, type: date, jsonPath: .metadata.creationTimestamp }
      schema:
        openAPIV3Schema:
          type: object
          description: Telescope looks at the sky.
          required: [spec]
          properties:
            spec:
              type: object
              required: [aperture]
              x-kubernetes-validations:
                - { rule: "self.mirrors <= self.aperture / 10", message: mirrors need room }
              properties:
                aperture: { type: integer, minimum: 10, description: Aperture in centimetres. }
                mirrors: { type: integer, default: 1 }
                serial:
                  type: string
                  x-kubernetes-validations:
                    - { rule: self == oldSelf, message: serial is engraved }
                site:
                  type: object
                  properties: { name: { type: string, default: backyard } }
                filters:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [color]
                  items: { type: object, required: [color], properties: { color: { type: string }, nm: { type: integer } } }
            status:
              type: object
              properties: { mirrors: { type: integer }, phase: { type: string } }
`;
}

const telescope = (group: string, spec: string): string => `
apiVersion: ${group}/v1
kind: Telescope
metadata: { name: hale }
spec: ${spec}
`;

async function define({ feed, run }: KubectlScene): Promise<string> {
  const group = `g${crypto.randomUUID().slice(0, 8)}.example.com`;
  await feed(definition(group), "apply", "-f", "-");
  await run("wait", "--for=condition=Established", `crd/telescopes.${group}`, "--timeout=20s");
  return group;
}

describeKubectl("a definition never seen", ["mesh", "kubernetes"], (scene) => {
  const { run, feed, attempt } = scene;

  test("is served with its columns, defaults, scale and explanation, and goes with its objects", async () => {
    const group = await define(scene);
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    const resource = `telescopes.${group}`;
    expect(await run("api-resources", "--api-group", group, "--no-headers")).toMatch(
      /^telescopes +tel +g\w+\.example\.com\/v1 +true +Telescope\n$/,
    );
    const versioned = ["--api-version", `${group}/v1`];
    expect(await run("get", resource, ...at)).toBe("");
    expect(await feed(telescope(group, "{ aperture: 510, site: {} }"), "apply", "-f", "-", ...at)).toBe(
      `telescope.${group}/hale created\n`,
    );
    expect(await run("get", resource, ...at)).toMatch(/^NAME +MIRRORS +AGE\nhale +1 +\d+s\n$/);
    expect(await run("get", resource, "-o", "wide", ...at)).toMatch(
      /^NAME +MIRRORS +SITE +AGE\nhale +1 +backyard +\d+s\n$/,
    );
    expect(await run("explain", "telescopes.spec.aperture", ...versioned)).toContain(
      "Aperture in centimetres.",
    );
    expect(await run("explain", "telescopes", ...versioned)).toContain("Telescope looks at the sky.");
    expect(await run("scale", resource, "hale", "--replicas=3", ...at)).toContain("scaled");
    expect(
      await run("get", resource, "hale", "-o", "jsonpath={.spec.mirrors} {.metadata.generation}", ...at),
    ).toBe("3 2");
    expect(await run("describe", resource, "hale", ...at)).toMatch(/Name: +hale\n/);
    expect(await run("delete", "crd", resource)).toContain("deleted");
    expect((await attempt(["get", resource, ...at])).code).toBe(1);
  });

  test("its schema is kept", async () => {
    const group = await define(scene);
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    const resource = `telescopes.${group}`;
    const create = (spec: string): ReturnType<typeof attempt> =>
      attempt(["apply", "--validate=false", "-f", "-", ...at], { input: telescope(group, spec) });
    const refusals: readonly (readonly [spec: string, text: string])[] = [
      [
        "{ aperture: 5 }",
        "spec.aperture: Invalid value: 5: spec.aperture in body should be greater than or equal to 10",
      ],
      ["{ mirrors: 1 }", "spec.aperture: Required value"],
      [
        "{ aperture: large }",
        'spec.aperture: Invalid value: "string": spec.aperture in body must be of type integer: "string"',
      ],
      ["{ aperture: 20, mirrors: 3 }", "mirrors need room"],
      ["{ aperture: 20, filters: [{ color: red }, { color: red }] }", "Duplicate value"],
    ];
    for (const [spec, text] of refusals) {
      const refused = await create(spec);
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toContain(text);
    }
    expect((await create("{ aperture: 20, serial: a, colour: green }")).code).toBe(0);
    // Unknown fields are pruned.
    expect(await run("get", resource, "hale", "-o", "jsonpath={.spec}", ...at)).not.toContain("colour");
    expect((await create("{ aperture: 20, serial: b }")).stderr).toContain("serial is engraved");
    const unknown = await attempt(["apply", "-f", "-", ...at], {
      input: telescope(group, "{ aperture: 20, colour: green }"),
    });
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/unknown field "(spec\.)?colour"/);
  });

  test("merges its keyed lists when it is applied on the server", async () => {
    const group = await define(scene);
    const namespace = await scene.makeNamespace();
    const apply = (manager: string, filters: string): Promise<string> =>
      feed(
        telescope(group, `{ aperture: 20, filters: [${filters}] }`),
        "apply",
        "--server-side",
        "--field-manager",
        manager,
        "-f",
        "-",
        "-n",
        namespace,
      );
    await apply("one", "{ color: red, nm: 700 }");
    await apply("two", "{ color: blue, nm: 450 }");
    const filters = (): Promise<string> =>
      run("get", `telescopes.${group}`, "hale", "-n", namespace, "-o", "jsonpath={.spec.filters}");
    expect(JSON.parse(await filters())).toEqual([
      { color: "red", nm: 700 },
      { color: "blue", nm: 450 },
    ]);
    await apply("two", "");
    expect(JSON.parse(await filters())).toEqual([{ color: "red", nm: 700 }]);
  });
});
