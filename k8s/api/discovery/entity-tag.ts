/** Answers that a client keeps: told by a tag of their content, and not sent again to who has them. */

/** The answer, or 304 when the request names its tag. */
export function answerWithTag(
  request: Request,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Response {
  const etag = `"${contentHash(body)}"`;
  const known = (request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim());
  if (known.includes(etag)) return new Response(null, { status: 304, headers: { ...headers, etag } });
  return new Response(body, { headers: { ...headers, etag } });
}

/** A content's hash, as tags and addresses carry it. */
export function contentHash(body: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha512").update(body).digest("hex").toUpperCase();
}
