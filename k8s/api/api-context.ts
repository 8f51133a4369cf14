/** Everything an open API consists of, for the functions that answer for it. */
import type { Log } from "#host/log.ts";
import type { WebhookIndex } from "./admission/webhook-index.ts";
import type { Authorizer } from "./authorization/authorizer.ts";
import type { JobContext } from "./finalize.ts";
import type { OpenApiDocuments } from "./openapi/open-api-documents.ts";
import type { ReviewHandler, SubresourceHandler } from "./subresource.ts";
import type { WatchContext } from "./watch-objects.ts";

/** The parts of an open API. */
export interface ApiContext extends JobContext, WatchContext {
  readonly log: Log;
  readonly authorizer: Authorizer;
  readonly webhooks: WebhookIndex;
  readonly openApi: OpenApiDocuments;
  readonly subresources: readonly SubresourceHandler[];
  readonly reviews: readonly ReviewHandler[];
}
