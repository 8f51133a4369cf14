/** The kubeconfig of the mesh's administrator, as kubectl and every Kubernetes client read it. */
import { stringify } from "yaml";

/** What goes into it. */
export interface KubeconfigParts {
  readonly server: string;
  readonly caPem: string;
  readonly token: string;
}

/** The file's text. */
export function formatKubeconfig(parts: KubeconfigParts): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "lambient",
    clusters: [
      {
        name: "lambient",
        cluster: {
          server: parts.server,
          "certificate-authority-data": Buffer.from(parts.caPem).toString("base64"),
        },
      },
    ],
    users: [{ name: "admin", user: { token: parts.token } }],
    contexts: [{ name: "lambient", context: { cluster: "lambient", user: "admin", namespace: "default" } }],
  });
}
