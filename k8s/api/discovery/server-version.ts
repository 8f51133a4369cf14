/** The release of Kubernetes whose behaviour clients may expect, as `/version` tells it. */

/** Both kubectls accept it: their skew is one release, and the mark after the plus is not part of it. */
export const serverVersion = {
  major: "1",
  minor: "37",
  gitVersion: "v1.37.2+lambient",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "bun",
  platform: "linux/amd64",
} as const;
