/** The price of a thing: says which revision answers, so that a split can be counted from the answers. */

interface Env {
  readonly REVISION: string;
  readonly MARKUP: string;
}

export default {
  fetch(request: Request, env: Env): Response {
    const item = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const cents = 100 + item.length * 7 + Number(env.MARKUP);
    return Response.json({ item, cents, price: env.REVISION });
  },
};
