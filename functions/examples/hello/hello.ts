/** Says hello, and which process says it: the word is made when the process loads this module. */

const process = crypto.randomUUID();

export default {
  fetch(): Response {
    return Response.json({ hello: "world", process });
  },
};
