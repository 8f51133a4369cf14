/** How a confined thread looks in `/proc`: read by the engine about itself and by its owner about every thread. */

/** Whether a thread's status shows an unprivileged user, no capability in any set, no way to new privileges, and both filters. */
export function isConfined(status: string): boolean {
  const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
  const users = [...field("Uid").split("\t"), ...field("Gid").split("\t")];
  const sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(field);
  return (
    users.length === 8 &&
    users.every((user) => Number(user) > 0) &&
    /^Groups:\s*$/m.test(status) &&
    sets.every((bits) => /^0+$/.test(bits)) &&
    field("NoNewPrivs") === "1" &&
    field("Seccomp") === "2" &&
    Number(field("Seccomp_filters")) >= 2
  );
}
