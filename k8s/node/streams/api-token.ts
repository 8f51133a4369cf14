/** Whether a token is the API's own: only it may ask the node for streams, as it has asked whether its client may. */
import { readFile } from "node:fs/promises";
import { importSPKI, jwtVerify } from "jose";

/** Makes the test against `<run-dir>/token-key.pem`, read each time: requests are rare, and a new run has a new key. */
export function makeApiTokenTest(keyFile: string): (token: string) => Promise<boolean> {
  return async (token) => {
    try {
      const key = await importSPKI(await readFile(keyFile, "utf8"), "ES256");
      const options = { audience: "lambient", algorithms: ["ES256", "EdDSA"] };
      const { payload } = await jwtVerify(token, key, options);
      return payload.sub === "system:lambient:control-plane";
    } catch {
      // Whatever is wrong with it, it is not the API's.
      return false;
    }
  };
}
