/** Writes the TypeScript of every .proto under runtime/core/proto beside its source; run it after changing one. */
import { $ } from "bun";

await $`buf generate`;
