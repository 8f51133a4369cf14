/** Asks the shop's price without being one of its callers, and tells what it was told. */

export default {
  async fetch(): Promise<Response> {
    try {
      const response = await fetch("http://price.shop/apple");
      return Response.json({ asked: "price.shop", status: response.status, body: await response.text() });
    } catch (error) {
      return Response.json({ asked: "price.shop", status: 0, body: String(error) });
    }
  },
};
