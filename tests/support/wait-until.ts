/** Waits for a condition in a test: asked again and again until it holds, so that no test sleeps for a guessed time. */

const askEveryMs = 10;

/**
 * Waits until the question gives something other than undefined, false or null, and returns that.
 * @throws Error naming what was waited for, with the last error of the question
 */
export async function waitUntil<Answer>(
  what: string,
  question: () => Answer | Promise<Answer>,
  timeoutMs = 10_000,
): Promise<NonNullable<Answer>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  do {
    try {
      const answer = await question();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(askEveryMs);
  } while (performance.now() < deadline);
  throw new Error(`Cannot wait longer than ${timeoutMs} ms until ${what}`, { cause: last });
}
