import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTestTokens } from "../../tests/support/tokens.ts";
import { openAuthenticator, userOfToken } from "./authenticate.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Place {
  readonly keyFile: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function place(options: Parameters<typeof writeTestTokens>[1] = {}): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-tokens-"));
  folders.push(folder);
  const tokens = await writeTestTokens(folder, options);
  const headers = Object.fromEntries(
    Object.entries(tokens).map(([program, token]) => [program, `Bearer ${token}`]),
  );
  return { keyFile: join(folder, "token-key.pem"), headers };
}

test("a token speaks for its program; what is not a token of this mesh speaks for nobody", async () => {
  const { keyFile, headers } = await place();
  const authenticator = openAuthenticator(keyFile, Date.now);
  for (const [program, header] of Object.entries(headers))
    expect(await authenticator.programOf(header)).toBe(program as never);
  const stranger = await place();
  const audience = await place({ audience: "others" });
  const nobody = await place({ programs: ["mallory"] });
  expect(
    await Promise.all([
      authenticator.programOf(undefined),
      authenticator.programOf(headers["edge"]?.slice(0, -8)),
      authenticator.programOf(headers["edge"]?.replace("Bearer", "Basic")),
      authenticator.programOf(stranger.headers["edge"]),
      openAuthenticator(audience.keyFile, Date.now).programOf(audience.headers["edge"]),
      openAuthenticator(nobody.keyFile, Date.now).programOf(nobody.headers["mallory"]),
    ]),
  ).toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
});

test("a remembered token is good until it expires", async () => {
  const expiresAt = Math.floor(Date.now() / 1000) + 3600;
  const { keyFile, headers } = await place({ expiresAt });
  const now = { ms: Date.now() };
  const authenticator = openAuthenticator(keyFile, () => now.ms);
  expect(await authenticator.programOf(headers["admin"])).toBe("admin");
  renameSync(keyFile, `${keyFile}.away`);
  expect(await authenticator.programOf(headers["admin"])).toBe("admin");
  now.ms = expiresAt * 1000;
  expect(await authenticator.programOf(headers["admin"])).toBeUndefined();
});

test("no more tokens are remembered than the bound; those that were forgotten are verified again", async () => {
  const { keyFile, headers } = await place();
  const authenticator = openAuthenticator(keyFile, Date.now, 2);
  const ask = async (...programs: string[]): Promise<(string | undefined)[]> =>
    Promise.all(programs.map((program) => authenticator.programOf(headers[program])));
  /** Without the key only what is remembered is known. */
  const remembered = async (...programs: string[]): Promise<(string | undefined)[]> => {
    renameSync(keyFile, `${keyFile}.away`);
    try {
      return await ask(...programs);
    } finally {
      renameSync(`${keyFile}.away`, keyFile);
    }
  };
  await ask("admin", "edge");
  expect(await remembered("admin", "edge")).toEqual(["admin", "edge"]);
  expect(await ask("ztunnel")).toEqual(["ztunnel"]);
  expect(await remembered("ztunnel", "admin", "edge")).toEqual(["ztunnel", undefined, undefined]);
  expect(await ask("admin", "edge", "ztunnel")).toEqual(["admin", "edge", "ztunnel"]);
});

test("a token's bearer is a user of the API, in the groups of its program", async () => {
  const { keyFile, headers } = await place();
  const authenticator = openAuthenticator(keyFile, Date.now);
  const userOf = (program: string): ReturnType<typeof userOfToken> =>
    userOfToken(authenticator, headers[program]?.slice("Bearer ".length) ?? "");
  expect(await userOf("admin")).toEqual({
    name: "system:lambient:admin",
    groups: ["system:masters", "system:authenticated"],
  });
  expect(await userOf("edge")).toEqual({ name: "system:lambient:edge", groups: ["system:authenticated"] });
  expect(await userOf("absent")).toBeUndefined();
});
