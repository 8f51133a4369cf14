import { expect, test } from "bun:test";
import { decideMachine, decidePlace, type MachineFacts, type PlaceFacts } from "./preflight.ts";

const machine: MachineFacts = {
  platform: "linux",
  architecture: "x64",
  kernel: { release: "6.1.0-13-amd64", effectiveUid: 0, capabilities: 0x1ffffffffffn },
  cgroupMount: "/sys/fs/cgroup",
};

const place: PlaceFacts = {
  dataDir: "/d",
  dataVersionText: "1\n",
  dataDirHasContent: true,
  dataDirRefusal: undefined,
  ports: [{ flag: "--api-port", port: 7443, refusal: undefined, holder: undefined }],
};

test("a good machine and place pass", () => {
  expect(decideMachine(machine)).toEqual([]);
  expect(decidePlace(place)).toEqual([]);
});

test("a new, empty data folder passes", () => {
  expect(decidePlace({ ...place, dataVersionText: undefined, dataDirHasContent: false })).toEqual([]);
});

const old = { release: "5.8.18", effectiveUid: 0, capabilities: 0x1ffffffffffn };

test.each([
  [
    "another system",
    { platform: "darwin", architecture: "arm64", kernel: undefined },
    "it needs Linux on x86-64, got darwin on arm64",
  ],
  [
    "not root",
    { kernel: { ...old, release: "6.1", effectiveUid: 1000 } },
    "as user 1000: root is needed; run the command with sudo",
  ],
  ["an old kernel", { kernel: old }, "on kernel 5.8.18: 5.9 or newer is needed"],
  [
    "a confined root",
    { kernel: { ...old, release: "6.1", capabilities: 0xa80425fbn } },
    "start the container or service with these capabilities",
  ],
  ["no cgroup v2", { cgroupMount: undefined }, "run mount -t cgroup2 none /sys/fs/cgroup/unified"],
] as const)("decideMachine() refuses: %s", (_, change, want) => {
  const errors = decideMachine({ ...machine, ...change });
  expect(errors.length).toBe(1);
  expect(errors[0]).toEndWith(want);
});

test.each([
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
] as const)("decidePlace() refuses: %s", (_, change, want) => {
  expect(decidePlace({ ...place, ...change })).toEqual([want]);
});
