/** Watches for the moment at which a waypoint may sleep: no request, no leased instance, for as long as its configuration says. */
import type { Clock } from "#host/clock.ts";
import type { App } from "./app.ts";

/** Between two looks while something else than time is waited for. */
const lookMs = 250;

/** Resolves at that moment, with spans and lines sent. Never for one whose `idleMs` is 0. */
export async function idleEnough(
  app: Pick<App, "idleMs" | "idleForMs" | "flush">,
  clock: Clock,
): Promise<void> {
  for (;;) {
    const { idleMs } = app;
    const idleForMs = app.idleForMs();
    if (idleMs > 0 && idleForMs !== undefined && idleForMs >= idleMs) {
      await app.flush();
      // Sending took time, in which a request may have come.
      if (app.idleForMs() !== undefined && (app.idleForMs() ?? 0) >= idleMs) return;
      continue;
    }
    const leftMs = idleMs > 0 && idleForMs !== undefined ? Math.max(1, idleMs - idleForMs) : lookMs;
    const waited = Promise.withResolvers<void>();
    clock.after(leftMs, () => waited.resolve());
    await waited.promise;
  }
}
