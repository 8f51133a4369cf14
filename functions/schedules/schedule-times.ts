/** When a cron expression is due, in UTC; five fields, or six with seconds first. */
import { Cron } from "croner";
import { err, ok, type Result } from "#core/result.ts";
import { errorText } from "#host/mesh-error.ts";

/** The instants of one expression. */
export interface ScheduleTimes {
  /** The first instant after `afterMs`; undefined when there is none any more. */
  next(afterMs: number): number | undefined;
}

/** Reads an expression. */
export function parseCron(text: string): Result<ScheduleTimes> {
  try {
    const cron = new Cron(text, { timezone: "UTC", mode: "5-or-6-parts", paused: true });
    return ok({ next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() });
  } catch (error) {
    return err(
      `Cannot read a schedule as five cron fields, or six with seconds first: "${text.slice(0, 100)}" (${errorText(error)})`,
    );
  }
}
