/** One resource type that a discovery client follows: its name on the wire, how it is read, who is told. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";

/** A resource under its name. */
export interface Discovered<Message> {
  readonly name: string;
  readonly message: Message;
}

/** How one message type is followed. */
export interface TypeWatch<Message> {
  /** The resources wanted; absent means all of them. */
  readonly names?: readonly string[];
  /** Looks at one resource before it counts. @returns why it cannot be used, or undefined. The held one then stays. */
  readonly check?: (name: string, message: Message) => string | undefined;
  /**
   * What changed and what is gone. After a reconnection only differences come; the first call for a type may hold
   * nothing, and then means that nothing exists.
   */
  readonly onUpdate: (changed: readonly Discovered<Message>[], removed: readonly string[]) => void;
}

/** A {@link TypeWatch} with its message type forgotten, so that watches of several types fit in one list. */
export interface WatchedType {
  readonly typeUrl: string;
  readonly names: readonly string[] | undefined;
  /** Reads and checks one resource. @throws when it is not readable; the error's text goes back to the server. */
  readonly read: (name: string, bytes: Uint8Array) => unknown;
  readonly deliver: (changed: readonly Discovered<unknown>[], removed: readonly string[]) => void;
}

/** The type URL of a message. */
export function typeUrlOf(schema: DescMessage): string {
  return `type.googleapis.com/${schema.typeName}`;
}

/** Follows a message type: `watchType(AddressSchema, { onUpdate(changed, removed) { … } })`. */
export function watchType<Desc extends DescMessage>(
  schema: Desc,
  watch: TypeWatch<MessageShape<Desc>>,
): WatchedType {
  return {
    typeUrl: typeUrlOf(schema),
    names: watch.names,
    read(name, bytes) {
      const message = fromBinary(schema, bytes);
      const refused = watch.check?.(name, message);
      if (refused !== undefined) throw new Error(refused);
      return message;
    },
    // Sound: only values that `read` made come back here.
    deliver: (changed, removed) =>
      watch.onUpdate(changed as readonly Discovered<MessageShape<Desc>>[], removed),
  };
}
