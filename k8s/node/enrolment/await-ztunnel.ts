/** Waiting until ztunnel serves a Pod, for as long as it takes; what is waited for is told when it takes long. */
import type { Clock } from "#host/clock.ts";
import type { EnrolmentNews } from "./enrolment-news.ts";
import type { PodZds } from "./pod-zds.ts";
import type { NamedPod, Redirections } from "./redirections.ts";

/** Who knows of ztunnel, and who is told. */
export interface AwaitOptions {
  readonly zds: Pick<PodZds, "isConnected">;
  readonly redirections: Pick<Redirections, "set">;
  readonly news: Pick<EnrolmentNews, "waiting">;
  readonly clock: Clock;
}

/** A ztunnel that starts anew is back by then. */
const noticeAfterMs = 1000;

/** Waits. @throws what `served` is rejected with */
export async function awaitZtunnel(
  options: AwaitOptions,
  pod: NamedPod,
  served: Promise<void>,
): Promise<void> {
  const { zds, redirections, news, clock } = options;
  const notice = clock.after(noticeAfterMs, () => {
    if (zds.isConnected) return;
    void redirections.set(pod, "pending");
    news.waiting(pod);
  });
  try {
    await served;
  } finally {
    notice.cancel();
  }
}
