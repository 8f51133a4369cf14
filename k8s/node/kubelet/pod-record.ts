/** What the kubelet must find again when it starts anew while its Pods run on: a small file a Pod in the run folder, which dies with the run. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { IpAddress } from "#core/address/ip.ts";
import { writeWhole } from "#host/private-file.ts";
import type { BackOff } from "../../reconcile/pods/back-off.ts";
import type { EndedRun } from "../../reconcile/pods/container-facts.ts";

/** A run that goes on, as it is found again. */
export interface RunningRecord {
  readonly kind: "running";
  readonly id: string;
  readonly startedAtMs: number;
  readonly pid: number;
  /** With the pid it names one process. */
  readonly startTicks: string;
  readonly isStarted: boolean;
}

/** One container. */
export interface ContainerRecord {
  readonly restarts: number;
  readonly run: RunningRecord | EndedRun | undefined;
  readonly lastRun: EndedRun | undefined;
  readonly backOff: BackOff | undefined;
}

/** One Pod. */
export interface PodRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly hasSandbox: boolean;
  /** Absent in the node's own network. */
  readonly address: IpAddress | undefined;
  readonly startedAtMs: number;
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  readonly containers: Readonly<Record<string, ContainerRecord>>;
}

/** The records of a node. */
export interface PodRecords {
  /** All of them; what cannot be read is left out, and its processes are nobody's. */
  readAll(): PodRecord[];
  write(record: PodRecord): void;
  remove(uid: string): void;
}

/** Keeps them in a folder. */
export function openPodRecords(folder: string): PodRecords {
  const pathOf = (uid: string): string => join(folder, `${uid}.json`);
  return {
    readAll() {
      return names(folder).flatMap((name) => {
        try {
          // Sound: this program alone writes these files, whole or not at all.
          return [JSON.parse(readFileSync(join(folder, name), "utf8")) as PodRecord];
        } catch {
          return []; // It was removed just now.
        }
      });
    },
    write: (record) => writeWhole(pathOf(record.uid), JSON.stringify(record)),
    remove: (uid) => rmSync(pathOf(uid), { force: true }),
  };
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return []; // No Pod was here yet.
  }
}
