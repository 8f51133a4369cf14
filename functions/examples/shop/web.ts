/** The shop's front: a plain fetch handler that asks the cart through a binding. */

interface Env {
  readonly SHOP: string;
  readonly CART: { fetch(input: string, init?: RequestInit): Promise<Response> };
}

interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

let served = 0;

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/") return new Response("There is only /\n", { status: 404 });
    served += 1;
    const count = served;
    ctx.waitUntil(Promise.resolve().then(() => console.log(`page ${count} is served`)));
    const item = searchParams.get("item") ?? "apple";
    const response = await env.CART.fetch(`http://cart/items/${encodeURIComponent(item)}`);
    if (!response.ok) {
      return Response.json(
        { shop: env.SHOP, error: `the cart answered ${response.status}` },
        { status: 502 },
      );
    }
    return Response.json({ shop: env.SHOP, web: "v1", cart: await response.json() });
  },
};
