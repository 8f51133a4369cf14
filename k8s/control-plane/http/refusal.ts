/** Refusals in the form of the Kubernetes API, a Status object, so that every client reads them alike. */

/** Makes one. */
export function refusal(code: number, reason: string, message: string): Response {
  const status = { apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", message, reason, code };
  return Response.json(status, { status: code });
}
