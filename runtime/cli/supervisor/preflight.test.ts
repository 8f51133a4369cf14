import { expect, test } from "bun:test";
import { decidePreflight, type PreflightFacts } from "./preflight.ts";

const good: PreflightFacts = {
  platform: "linux",
  architecture: "x64",
  uid: 0,
  effectiveCapabilities: "000001ffffffffff",
  kernelRelease: "6.1.0-13-amd64",
  cgroupMount: "/sys/fs/cgroup",
  dataDir: "/d",
  dataVersionText: "1\n",
  dataDirHasContent: true,
  dataDirRefusal: undefined,
  ports: [{ flag: "--api-port", port: 7443, refusal: undefined, holder: undefined }],
};

test("decidePreflight() lets a good machine pass", () => {
  expect(decidePreflight(good)).toEqual([]);
});

test("a new, empty data folder passes", () => {
  expect(decidePreflight({ ...good, dataVersionText: undefined, dataDirHasContent: false })).toEqual([]);
});

test.each([
  [
    "another system",
    { platform: "darwin", architecture: "arm64", uid: 501 },
    "Cannot start the mesh on this machine: it needs Linux on x86-64, got darwin on arm64",
  ],
  [
    "not root",
    { uid: 1000 },
    "Cannot start the mesh as user 1000: it makes namespaces and needs root; run it with sudo",
  ],
  [
    "a confined root",
    { effectiveCapabilities: "00000000a80425fb" },
    "Cannot start the mesh without CAP_NET_ADMIN and CAP_SYS_ADMIN: this root is confined; run it outside the container, or in a privileged one",
  ],
  [
    "an old kernel",
    { kernelRelease: "5.8.18" },
    "Cannot start the mesh on Linux 5.8.18: capture by eBPF sk_lookup needs 5.9 or newer; upgrade the kernel",
  ],
  [
    "a very old kernel",
    { kernelRelease: "4.19.0" },
    "Cannot start the mesh on Linux 4.19.0: capture by eBPF sk_lookup needs 5.9 or newer; upgrade the kernel",
  ],
  [
    "no cgroup v2",
    { cgroupMount: undefined },
    "Cannot start the mesh without cgroup v2: it is mounted nowhere; run mount -t cgroup2 none /sys/fs/cgroup/unified",
  ],
  [
    "data of another version",
    { dataVersionText: "7\n" },
    'Cannot use the data folder /d: it is of version "7", this program needs 1; use the program that wrote it or another --data-dir',
  ],
  [
    "a folder of something else",
    { dataVersionText: undefined },
    "Cannot use /d as a data folder: it holds files but no version file; choose an empty --data-dir",
  ],
  [
    "a full disk",
    { dataDirRefusal: "no space left on device" },
    "Cannot write to the data folder /d: no space left on device; free space there or choose another --data-dir",
  ],
  [
    "a port in use",
    {
      ports: [
        { flag: "--edge-port", port: 8080, refusal: "address already in use", holder: "nginx (pid 812)" },
      ],
    },
    "Cannot listen on 127.0.0.1:8080: nginx (pid 812) listens there; stop it or choose another --edge-port",
  ],
  [
    "a port in use by nobody we can see",
    { ports: [{ flag: "--edge-port", port: 80, refusal: "address already in use", holder: undefined }] },
    "Cannot listen on 127.0.0.1:80: address already in use; stop it or choose another --edge-port",
  ],
] as const)("decidePreflight() refuses: %s", (_, change, want) => {
  expect(decidePreflight({ ...good, ...change })).toEqual([want]);
});

test("decidePreflight() names everything at once", () => {
  expect(decidePreflight({ ...good, kernelRelease: "5.4", cgroupMount: undefined }).length).toBe(2);
});
