/** A response whose text is known: a server of ours sends it as it is, without reading it out of a body first. */

/** See the file's head; to everybody else it is like any response. */
export class TextResponse extends Response {
  readonly content: string;

  constructor(content: string, init: ResponseInit) {
    super(content, init);
    this.content = content;
  }
}
