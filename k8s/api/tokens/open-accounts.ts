/** Everything about service accounts' tokens that an open API offers: issuing them, reviewing them, knowing who brings one. */
import type { ApiOptions, User } from "../api.ts";
import type { ObjectStore } from "../object-store.ts";
import { tokenReview } from "../reviews/token-review.ts";
import type { ReviewHandler, SubresourceHandler } from "../subresource.ts";
import { accountIssuer, AccountTokens } from "./account-tokens.ts";
import { authenticateAccount, type Authentication } from "./authenticate-account.ts";
import { tokenRequestHandler } from "./token-request.ts";

/** What it offers. */
export interface Accounts {
  readonly request: SubresourceHandler;
  readonly review: ReviewHandler;
  authenticate(token: string): Promise<User | undefined>;
}

/** Makes it. @param store Asked for once a token comes. */
export function openAccounts(
  options: Pick<ApiOptions, "accountKey" | "authenticate" | "clock">,
  store: () => ObjectStore,
): Accounts {
  const tokens = new AccountTokens(options.accountKey);
  const nowMs = (): number => options.clock.nowMs();
  const authenticate = (token: string, audiences?: readonly string[]): Promise<Authentication> =>
    authenticateAccount({ tokens, store: store(), nowMs }, token, audiences);
  return {
    request: tokenRequestHandler(tokens),
    review: tokenReview(async (token, audiences) => {
      const user = audiences.includes(accountIssuer) ? await options.authenticate?.(token) : undefined;
      return user === undefined ? authenticate(token, audiences) : { user, audiences: [accountIssuer] };
    }),
    async authenticate(token) {
      const found = await authenticate(token);
      return "user" in found ? found.user : undefined;
    },
  };
}
