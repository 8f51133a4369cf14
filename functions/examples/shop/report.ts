/** The report: on its schedule it looks at the shop and writes down what it saw. */

interface Env {
  readonly WEB: { fetch(input: string, init?: RequestInit): Promise<Response> };
}

interface Scheduled {
  readonly cron: string;
  readonly scheduledTime: number;
}

export default {
  fetch(): Response {
    return new Response("The report runs on a schedule\n");
  },

  async scheduled(event: Scheduled, env: Env): Promise<void> {
    const response = await env.WEB.fetch("http://web/?item=report");
    const text = await response.text();
    console.log(`report of ${new Date(event.scheduledTime).toISOString()}: ${response.status} ${text}`);
  },
};
