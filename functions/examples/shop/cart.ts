/** The cart: a Hono app that asks the price by its name in the mesh. */
import { Hono } from "hono";

const app: Hono = new Hono();

app.get("/items/:item", async (c) => {
  const item = c.req.param("item");
  const response = await fetch(`http://price/${encodeURIComponent(item)}`);
  if (!response.ok) return c.json({ error: `the price answered ${response.status}` }, 502);
  return c.json({ cart: "v1", items: [await response.json()] });
});

export default app;
